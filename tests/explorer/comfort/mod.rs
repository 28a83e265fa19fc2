//! What people expect of a terminal program beside its subject.

mod returning;
