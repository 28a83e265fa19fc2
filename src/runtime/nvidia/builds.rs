//! The pinned builds of ONNX Runtime for NVIDIA GPUs: the GPUs that each has code for, NVIDIA's
//! libraries that it needs, and the build that suits a machine.

use super::driver::{Driver, Gpu};
use crate::runtime::Package;

/// A major version of CUDA, and the oldest driver that supports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cuda {
    /// 12 or 13.
    pub major: u32,
    /// The major version of the oldest driver, as `nvidia-smi` shows it.
    pub driver: u32,
    /// NVIDIA's libraries that builds for it need, each after those that it links to.
    pub libraries: &'static [Needed],
}

/// A library of NVIDIA's that a build needs in addition to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Its file name, which is also what others link to.
    pub file: &'static str,
    /// The package that contains it.
    pub package: Package,
}

/// A pinned build.
#[derive(Debug, PartialEq, Eq)]
pub struct Build {
    /// The wheel with ONNX Runtime.
    pub package: Package,
    /// The CUDA that it is built for.
    pub cuda: &'static Cuda,
    /// The GPUs that it has machine code for, by compute capability: `(8, 6)` runs on 8.6 and on 8.9 as well.
    cubins: &'static [(u32, u32)],
    /// The oldest GPU for which the driver can compile its intermediate code (PTX).
    ptx: Option<(u32, u32)>,
}

/// A wheel of NVIDIA's for Linux on x86-64.
const fn wheel(
    name: &'static str,
    version: &'static str,
    platform: &'static str,
    bytes: u64,
    sha256: &'static str,
) -> Package {
    Package {
        name,
        version,
        sha256,
        bytes,
        platform: Some(platform),
    }
}

const NEW: &str = "manylinux_2_27_x86_64";
const OLD: &str = "manylinux2014_x86_64";

const CUBLAS_13: Package = wheel(
    "nvidia-cublas",
    "13.1.0.3",
    NEW,
    423_133_236,
    "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
);
const CUBLAS_12: Package = wheel(
    "nvidia-cublas-cu12",
    "12.9.1.4",
    NEW,
    581_242_350,
    "453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2",
);

/// CUDA 13.
pub static CUDA_13: Cuda = Cuda {
    major: 13,
    driver: 580,
    libraries: &[
        Needed {
            file: "libcudart.so.13",
            package: wheel(
                "nvidia-cuda-runtime",
                "13.0.96",
                OLD,
                2_243_632,
                "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            ),
        },
        Needed {
            file: "libcublasLt.so.13",
            package: CUBLAS_13,
        },
        Needed {
            file: "libcublas.so.13",
            package: CUBLAS_13,
        },
        Needed {
            file: "libnvrtc.so.13",
            package: wheel(
                "nvidia-cuda-nvrtc",
                "13.0.88",
                OLD,
                90_215_200,
                "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            ),
        },
        Needed {
            file: CURAND,
            package: wheel(
                "nvidia-curand",
                "10.4.0.35",
                NEW,
                59_544_258,
                "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            ),
        },
        Needed {
            file: CUDNN,
            package: wheel(
                "nvidia-cudnn-cu13",
                "9.28.1.4",
                NEW,
                516_817_937,
                "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec",
            ),
        },
    ],
};

/// CUDA 12, for older drivers and for GPUs that the CUDA 13 build does not support. This cuDNN is
/// the last one for Volta.
pub static CUDA_12: Cuda = Cuda {
    major: 12,
    driver: 525,
    libraries: &[
        Needed {
            file: "libcudart.so.12",
            package: wheel(
                "nvidia-cuda-runtime-cu12",
                "12.9.79",
                OLD,
                3_493_179,
                "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3",
            ),
        },
        Needed {
            file: "libcublasLt.so.12",
            package: CUBLAS_12,
        },
        Needed {
            file: "libcublas.so.12",
            package: CUBLAS_12,
        },
        Needed {
            file: "libnvrtc.so.12",
            package: wheel(
                "nvidia-cuda-nvrtc-cu12",
                "12.9.86",
                OLD,
                89_568_129,
                "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
            ),
        },
        Needed {
            file: CURAND,
            package: wheel(
                "nvidia-curand-cu12",
                "10.3.10.19",
                NEW,
                68_295_626,
                "49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e",
            ),
        },
        Needed {
            file: "libcufft.so.11",
            package: wheel(
                "nvidia-cufft-cu12",
                "11.4.1.4",
                OLD,
                200_877_592,
                "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28",
            ),
        },
        Needed {
            file: CUDNN,
            package: wheel(
                "nvidia-cudnn-cu12",
                "9.10.2.21",
                NEW,
                706_758_467,
                "949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8",
            ),
        },
    ],
};

/// cuDNN, whose file name is the same for every CUDA version.
pub const CUDNN: &str = "libcudnn.so.9";

/// cuRAND, whose file name is the same for CUDA 12 and 13.
pub const CURAND: &str = "libcurand.so.10";

/// The newest first. The architectures were read from the headers of its kernels.
pub static BUILDS: [Build; 2] = [
    Build {
        package: wheel(
            "onnxruntime-gpu",
            "1.31.1",
            "manylinux_2_28_x86_64",
            255_560_985,
            "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
        ),
        cuda: &CUDA_13,
        cubins: &[(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0)],
        ptx: None,
    },
    Build {
        package: wheel(
            "onnxruntime-gpu",
            "1.26.0",
            "manylinux_2_28_x86_64",
            276_956_564,
            "4fa231294c2643911d2a7d16469c4808b0bdcdc4b5f4063d3a53744ce25b683a",
        ),
        cuda: &CUDA_12,
        cubins: &[(6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)],
        ptx: Some((9, 0)),
    },
];

/// Every CUDA whose libraries are known, the newest first.
static ALL_CUDA: [&Cuda; 2] = [&CUDA_13, &CUDA_12];

impl Cuda {
    /// The major versions whose libraries are known.
    pub fn majors() -> impl Iterator<Item = u32> {
        ALL_CUDA.iter().map(|cuda| cuda.major)
    }

    /// The CUDA of this major version, if its libraries are known.
    pub fn with_major(major: u32) -> Option<&'static Self> {
        ALL_CUDA.iter().copied().find(|cuda| cuda.major == major)
    }

    /// Whether a driver supports it.
    pub fn is_supported_by(&self, driver: &Driver) -> bool {
        driver.cuda.0 >= self.major
    }
}

impl Build {
    /// Whether it has code for a GPU. Machine code for 8.0 also runs on 8.6, but not on 9.0; PTX
    /// runs on every later GPU.
    pub fn has_code_for(&self, gpu: &Gpu) -> bool {
        let (major, minor) = gpu.capability;
        let runs = |&(its_major, its_minor): &(u32, u32)| its_major == major && its_minor <= minor;
        self.cubins.iter().any(runs) || self.ptx.is_some_and(|oldest| gpu.capability >= oldest)
    }

    /// The pinned build of this version, if it is one.
    pub fn of_version(version: &str) -> Option<&'static Self> {
        BUILDS.iter().find(|build| build.package.version == version)
    }
}

/// The build that suits a machine: the newest that the driver supports and that has code for all its GPUs, or else for
/// some. Without a driver, as on the login node of a cluster, the newest.
///
/// # Errors
/// Why none does, on one line.
pub fn choose(driver: Option<&Driver>) -> Result<&'static Build, String> {
    let Some(driver) = driver else {
        return Ok(&BUILDS[0]);
    };
    let supported = || {
        BUILDS
            .iter()
            .filter(|build| build.cuda.is_supported_by(driver))
    };
    if supported().next().is_none() {
        return Err(format!(
            "{} is too old for CUDA 12 (it needs {} or newer); update the driver, or use --provider cpu",
            super::describe_driver(driver),
            CUDA_12.driver
        ));
    }
    let all = supported().find(|build| driver.gpus.iter().all(|gpu| build.has_code_for(gpu)));
    let some = || supported().find(|build| driver.gpus.iter().any(|gpu| build.has_code_for(gpu)));
    all.or_else(some).ok_or_else(|| {
        let gpu = &driver.gpus[0];
        // With a newer driver, a newer build may suit it.
        let later = BUILDS
            .iter()
            .find(|build| !build.cuda.is_supported_by(driver) && build.has_code_for(gpu));
        match later {
            Some(build) => format!(
                "{} needs the build for CUDA {}, and {} is too old for it (it needs {} or newer); update the driver",
                super::describe_gpu(gpu),
                build.cuda.major,
                super::describe_driver(driver),
                build.cuda.driver
            ),
            None => format!(
                "no pinned build of ONNX Runtime has code for {}; `ziggurat setup --webgpu` and --provider webgpu may reach it through Vulkan",
                super::describe_gpu(gpu)
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(cuda: (u32, u32), release: &str, capabilities: &[(u32, u32)]) -> Driver {
        let gpu = |(number, &capability): (usize, &(u32, u32))| Gpu {
            number: number as u32,
            name: "NVIDIA Thing".into(),
            capability,
            memory: None,
        };
        Driver {
            cuda,
            release: Some(release.into()),
            gpus: capabilities.iter().enumerate().map(gpu).collect(),
        }
    }

    fn chosen(cuda: (u32, u32), capabilities: &[(u32, u32)]) -> Result<u32, String> {
        choose(Some(&driver(cuda, "570.1", capabilities))).map(|build| build.cuda.major)
    }

    #[test]
    fn the_build_suits_the_driver_and_the_architecture() {
        // H100, L4, RTX 5090 with a driver of today, then with one of yesterday.
        for capability in [(9, 0), (8, 9), (12, 0), (8, 7)] {
            assert_eq!(chosen((13, 0), &[capability]), Ok(13), "{capability:?}");
        }
        for capability in [(9, 0), (8, 9), (8, 0)] {
            assert_eq!(chosen((12, 4), &[capability]), Ok(12), "{capability:?}");
        }
        // V100, P100, GTX 1080, B200, B300: CUDA 13's build has no code for them, whatever the driver.
        for capability in [(7, 0), (6, 0), (6, 1), (10, 0), (10, 3)] {
            assert_eq!(chosen((13, 0), &[capability]), Ok(12), "{capability:?}");
        }
        // A mixed machine takes what runs on all, and else what runs on some.
        assert_eq!(chosen((13, 0), &[(9, 0), (7, 0)]), Ok(12));
        assert_eq!(chosen((13, 0), &[(5, 2), (9, 0)]), Ok(13));
        assert_eq!(choose(None).map(|build| build.cuda.major), Ok(13));
    }

    #[test]
    fn a_machine_that_no_build_suits_gets_one_line() {
        assert_eq!(
            choose(Some(&driver((11, 4), "470.256.02", &[(8, 0)]))).unwrap_err(),
            "driver 470.256.02 (CUDA 11.4) is too old for CUDA 12 (it needs 525 or newer); update the driver, or use \
             --provider cpu"
        );
        assert_eq!(
            chosen((13, 0), &[(5, 2)]).unwrap_err(),
            "no pinned build of ONNX Runtime has code for NVIDIA Thing (compute capability 5.2); `ziggurat setup \
             --webgpu` and --provider webgpu may reach it through Vulkan"
        );
    }

    #[test]
    fn every_pin_is_complete_and_every_library_follows_those_it_links_to() {
        for build in &BUILDS {
            let libraries = build.cuda.libraries.iter().map(|needed| needed.package);
            for package in libraries.chain([build.package]) {
                assert_eq!(package.sha256.len(), 64, "{package}");
                assert!(
                    package
                        .sha256
                        .bytes()
                        .all(|digit| digit.is_ascii_hexdigit()),
                    "{package}"
                );
            }
            let place = |start: &str| {
                let mut files = build.cuda.libraries.iter().map(|needed| needed.file);
                files.position(|file| file.starts_with(start)).unwrap()
            };
            let order = [
                "libcudart",
                "libcublasLt",
                "libcublas.",
                "libnvrtc",
                "libcudnn",
            ];
            assert!(order.map(place).is_sorted());
        }
    }
}
