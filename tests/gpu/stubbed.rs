//! CUDA on a stubbed machine: a driver, NVIDIA's libraries and an ONNX Runtime for CUDA that `cc` builds here. They
//! compute nothing, so CUDA never works: the tests check the reason that the program gives, with the remedy.

use crate::networks::small_file;
use std::fs;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use ziggurat::runtime::nvidia::builds::{BUILDS, CUDA_13};
use ziggurat::runtime::testing;

type Api = ort::sys::OrtApi;

/// What the driver reports.
#[derive(Clone, Copy)]
struct Driver {
    /// 1000 · major + 10 · minor.
    cuda: u32,
    release: &'static str,
    /// Compute capability, first number.
    major: u32,
    /// The error of `cuInit`.
    init: u32,
}

const MODERN: Driver = Driver {
    cuda: 13000,
    release: "580.65.06",
    major: 9,
    init: 0,
};

/// A machine with all libraries and an H100.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    /// `None` where stubs cannot be built.
    fn new() -> Option<Self> {
        let has_compiler = || Command::new("cc").arg("--version").output().is_ok();
        if !cfg!(all(
            target_os = "linux",
            target_env = "gnu",
            target_arch = "x86_64"
        )) || !has_compiler()
        {
            println!("skipped: the stubs need `cc` and Linux on x86-64");
            return None;
        }
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(machine.libraries()).unwrap();
        for needed in CUDA_13.libraries {
            machine.build_library(needed.file);
        }
        machine.install_driver(MODERN);
        machine.install_runtime();
        Some(machine)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Where PyTorch's packages keep NVIDIA's libraries.
    fn libraries(&self) -> PathBuf {
        self.path("venv/lib/python3.11/site-packages/nvidia/cu13/lib")
    }

    fn build_library(&self, file: &str) {
        let soname = format!("-Wl,-soname,{file}");
        compile(&self.libraries().join(file), &[&soname]);
    }

    fn install_driver(&self, driver: Driver) {
        let folder = self.path("driver");
        fs::create_dir_all(&folder).unwrap();
        let Driver {
            cuda,
            release,
            major,
            init,
        } = driver;
        let macros = [
            "-DDRIVER".to_string(),
            format!("-DCUDA={cuda}"),
            format!("-DMAJOR={major}"),
            format!("-DINIT={init}"),
            format!("-DRELEASE=\"{release}\""),
        ];
        let macros: Vec<&str> = macros.iter().map(String::as_str).collect();
        compile(&folder.join("libcuda.so.1"), &macros);
        fs::copy(
            folder.join("libcuda.so.1"),
            folder.join("libnvidia-ml.so.1"),
        )
        .unwrap();
    }

    /// ONNX Runtime for CUDA 13, as `setup --gpu` downloads it.
    fn install_runtime(&self) {
        let real = &testing::library().found().path;
        let folder = BUILDS[0].package.folder(&self.path("home/data/runtime"));
        fs::create_dir_all(&folder).unwrap();
        let offsets = [
            ("CREATE_STATUS", offset_of!(Api, CreateStatus)),
            ("GET_PROVIDERS", offset_of!(Api, GetAvailableProviders)),
            (
                "RELEASE_PROVIDERS",
                offset_of!(Api, ReleaseAvailableProviders),
            ),
            ("CREATE_OPTIONS", offset_of!(Api, CreateCUDAProviderOptions)),
            ("UPDATE_OPTIONS", offset_of!(Api, UpdateCUDAProviderOptions)),
            (
                "RELEASE_OPTIONS",
                offset_of!(Api, ReleaseCUDAProviderOptions),
            ),
            (
                "APPEND",
                offset_of!(Api, SessionOptionsAppendExecutionProvider_CUDA_V2),
            ),
        ];
        let mut macros = vec![
            "-DRUNTIME".to_string(),
            format!("-DREAL=\"{}\"", real.display()),
            format!("-DSIZE={}", size_of::<Api>()),
            "-ldl".to_string(),
        ];
        macros.extend(offsets.map(|(name, offset)| format!("-DAT_{name}={offset}")));
        let macros: Vec<&str> = macros.iter().map(String::as_str).collect();
        let version = BUILDS[0].package.version;
        compile(
            &folder.join(format!("libonnxruntime.so.{version}")),
            &macros,
        );
    }

    /// The program on this machine. `CUDA_VISIBLE_DEVICES` and the user's environments do not matter.
    fn ziggurat(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_ziggurat"));
        command
            .args(arguments)
            .env("ZIGGURAT_HOME", self.path("home"))
            .env("VIRTUAL_ENV", self.path("venv"))
            .env("LD_LIBRARY_PATH", self.path("driver"))
            .env("PATH", "/nowhere")
            .env_remove("CONDA_PREFIX")
            .env_remove("CUDA_VISIBLE_DEVICES")
            .env_remove("ORT_DYLIB_PATH");
        command
    }

    /// `doctor`'s report.
    fn report(&self) -> serde_json::Value {
        let done = self.ziggurat(&["doctor", "--json"]).assert().success();
        serde_json::from_slice(&done.get_output().stdout).unwrap()
    }

    /// Why CUDA does not work.
    fn why(&self) -> String {
        let report = self.report();
        let providers = report["providers"].as_array().unwrap().iter();
        let mut cuda = providers.filter(|one| one["name"] == "cuda:0");
        let why = cuda.next().unwrap()["why"].as_str().unwrap().to_string();
        assert!(!why.contains('\n'), "{why}");
        why
    }
}

fn compile(library: &Path, arguments: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/stub.c");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(library)
        .arg(source)
        .args(arguments)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{message}");
}

#[test]
fn every_missing_or_broken_library_is_reported_with_its_remedy() {
    let Some(machine) = Machine::new() else {
        return;
    };
    // With all libraries CUDA opens, and is refused because the stub computes nothing.
    let report = machine.report();
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), CUDA_13.libraries.len());
    for file in files {
        assert_eq!(file["place"], "virtual environment", "{file}");
    }
    assert_eq!(report["driver"]["release"], MODERN.release);
    let gpu = &report["driver"]["gpus"][0];
    assert_eq!(
        (&gpu["name"], &gpu["capability"]),
        (&"NVIDIA Stub".into(), &"9.0".into())
    );
    let why = machine.why();
    assert!(why.starts_with("its provider leaves "), "{why}");

    for needed in CUDA_13.libraries {
        let (file, package) = (needed.file, needed.package.name);
        let path = machine.libraries().join(file);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            machine.why(),
            format!(
                "not found: {file}; `ziggurat setup --gpu` downloads it, or install {package} with pip"
            )
        );
        fs::write(&path, "no library").unwrap();
        let why = machine.why();
        let start = format!("{} cannot be loaded: ", path.display());
        assert!(
            why.starts_with(&start) && why.ends_with("; `ziggurat setup --gpu` downloads another"),
            "{why}"
        );
        fs::remove_file(&path).unwrap();
        machine.build_library(file);
    }
}

#[test]
fn every_trouble_with_the_driver_is_reported_with_its_remedy() {
    let Some(machine) = Machine::new() else {
        return;
    };
    for (driver, expected) in [
        (
            Driver {
                cuda: 12040,
                release: "550.54.15",
                ..MODERN
            },
            "driver 550.54.15 (CUDA 12.4) is too old for CUDA 13 (it needs 580 or newer); `ziggurat setup --gpu` \
             downloads the build for CUDA 12",
        ),
        (
            Driver {
                cuda: 11040,
                release: "470.1",
                ..MODERN
            },
            "driver 470.1 (CUDA 11.4) is too old for CUDA 12 (it needs 525 or newer); update the driver, or use \
             --provider cpu",
        ),
        (
            Driver {
                major: 10,
                ..MODERN
            },
            "this build of ONNX Runtime has no code for NVIDIA Stub (compute capability 10.0); `ziggurat setup --gpu` \
             downloads the build for CUDA 12",
        ),
        (
            Driver {
                init: 803,
                ..MODERN
            },
            "the NVIDIA driver's library and its kernel module are of different versions (error 803); restart the machine",
        ),
    ] {
        machine.install_driver(driver);
        assert_eq!(machine.why(), expected);
    }
}

#[test]
fn auto_runs_on_the_cpu_and_says_why() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let model = small_file(machine.root.path());
    let picture = machine.path("picture.png");
    let arguments = ["run", "3", "--model", &model, "--steps", "1", "--json"];
    let out = ["--graphics", "none", "--out", picture.to_str().unwrap()];
    fs::remove_file(machine.libraries().join("libcudnn.so.9")).unwrap();
    let why = "not found: libcudnn.so.9; `ziggurat setup --gpu` downloads it, or install nvidia-cudnn-cu13 with pip";
    let done = machine.ziggurat(&[&arguments[..], &out].concat());
    let done = { done }.assert().success();
    let output = done.get_output();
    let message = String::from_utf8_lossy(&output.stderr);
    let line = format!("running on the CPU: cuda:0: {why}");
    assert_eq!(message.matches(&line).count(), 1, "{message}");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["provider"], "cpu");
    assert!(picture.is_file());

    // A provider that is named is strict.
    let strict = ["--provider", "cuda:0", "--again"];
    let done = machine.ziggurat(&[&arguments[..], &out, &strict].concat());
    let done = { done }.assert().code(1);
    let message = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(
        message.contains(&format!("cuda:0 cannot start: {why}")),
        "{message}"
    );
}
