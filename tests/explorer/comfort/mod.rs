//! What people expect of a terminal program beside its subject.

mod arguments;
mod attention;
mod footer;
mod returning;
mod settings;
