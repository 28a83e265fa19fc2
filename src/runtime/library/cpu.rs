//! The pinned builds of ONNX Runtime for the CPU.

use super::IS_GNU_LINUX;
use crate::runtime::Package;

pub(super) const CPU_VERSION: &str = "1.32.0";

/// The pinned builds for the CPU, by architecture: for Linux with the GNU C library 2.28 or newer,
/// MIT licensed. Those for GPUs are [`crate::runtime::nvidia::builds::BUILDS`].
const CPU_BUILDS: [(&str, Package); 2] = [
    (
        "x86_64",
        Package {
            name: "onnxruntime",
            version: CPU_VERSION,
            sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            bytes: 27_773_237,
            platform: Some("manylinux_2_28_x86_64"),
        },
    ),
    (
        "aarch64",
        Package {
            name: "onnxruntime",
            version: CPU_VERSION,
            sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
            bytes: 23_195_070,
            platform: Some("manylinux_2_28_aarch64"),
        },
    ),
];

/// The pinned build for this machine's CPU, if there is one.
pub(super) fn cpu_package() -> Option<Package> {
    let here = |(arch, _): &&(&str, Package)| IS_GNU_LINUX && *arch == std::env::consts::ARCH;
    CPU_BUILDS.iter().find(here).map(|(_, package)| *package)
}
