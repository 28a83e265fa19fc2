use super::*;
use crate::runtime::nvidia::builds::{CUDA_12, CUDA_13};

/// A machine made of empty files.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for file in files {
            let path = tree.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn around(&self) -> Surroundings {
        Surroundings {
            environments: Environments {
                own: Some(self.path("own")),
                virtual_env: Some(self.path("venv")),
                conda: Some(self.path("conda")),
                ..Environments::default()
            },
            sites: vec![self.path("site")],
            data: self.path("data"),
            system: vec![self.path("cuda/lib64")],
        }
    }

    /// Where each library of a CUDA is found, when every file can be loaded and the loader itself knows none.
    fn found(&self, cuda: &'static Cuda) -> Vec<Located> {
        let open = |path: &Path| {
            if path.is_absolute() {
                Ok(path.to_path_buf())
            } else {
                Err("cannot open shared object file".to_string())
            }
        };
        let around = self.around();
        let needed = cuda.libraries.iter();
        let locate = |needed: &crate::runtime::nvidia::builds::Needed| {
            locate(needed.file, Some(needed.package), cuda, &around, &open)
        };
        needed.map(locate).collect()
    }
}

fn place(located: &[Located], file: &str) -> Option<Location> {
    let one = located.iter().find(|one| one.file == file).unwrap();
    one.found.as_ref().map(|(place, _)| *place)
}

fn cudnn_package() -> Option<Package> {
    let mut needed = CUDA_13.libraries.iter();
    let cudnn = needed.find(|one| one.file == CUDNN);
    cudnn.map(|one| one.package)
}

const VENV: &str = "venv/lib/python3.12/site-packages";

#[test]
fn each_library_is_taken_from_the_first_place_that_has_it() {
    let tree = Tree::new(&[
        &format!("{VENV}/nvidia/cu13/lib/libcudart.so.13"),
        &format!("{VENV}/nvidia/cu13/lib/libcublas.so.13"),
        "conda/lib/libcublas.so.13",
        "conda/lib/libcublasLt.so.13",
        "site/nvidia/cu13/lib/libnvrtc.so.13",
        "site/nvidia/cu13/lib/libcudart.so.13",
        "data/nvidia-curand-10.4.0.35/libcurand.so.10",
        "cuda/lib64/libcudnn.so.9",
        "own/lib/python3.13/site-packages/nvidia/cu13/lib/libcudart.so.13",
    ]);
    let located = tree.found(&CUDA_13);
    for (file, expected) in [
        ("libcudart.so.13", Location::Own),
        ("libcublas.so.13", Location::VirtualEnv),
        ("libcublasLt.so.13", Location::Conda),
        ("libnvrtc.so.13", Location::Python),
        ("libcurand.so.10", Location::Data),
        ("libcudnn.so.9", Location::System),
    ] {
        assert_eq!(place(&located, file), Some(expected), "{file}");
    }
    assert_eq!(complaint(&located), None);
    assert_eq!(missing_packages(&located), []);
}

#[test]
fn a_library_for_another_cuda_version_is_not_taken() {
    let path_of = |tree: &Tree, cuda: &'static Cuda, file: &str| {
        let located = tree.found(cuda);
        let one = located.into_iter().find(|one| one.file == file).unwrap();
        one.found
    };
    let tree = Tree::new(&[
        &format!("{VENV}/nvidia/cudnn/lib/libcudnn.so.9"),
        &format!("{VENV}/nvidia_cudnn_cu12-9.10.2.21.dist-info/METADATA"),
        "conda/lib/libcudnn.so.9",
        "conda/lib/libcublas.so.12",
        "data/nvidia-cudnn-cu12-9.10.2.21/libcudnn.so.9",
        "data/nvidia-cudnn-cu13-9.28.1.4/libcudnn.so.9",
    ]);
    let (place, path) = path_of(&tree, &CUDA_13, CUDNN).unwrap();
    assert_eq!(place, Location::Data);
    assert!(path.ends_with("nvidia-cudnn-cu13-9.28.1.4/libcudnn.so.9"));
    assert_eq!(
        path_of(&tree, &CUDA_12, CUDNN).unwrap().0,
        Location::VirtualEnv
    );

    // PyTorch's cuRAND for CUDA 12, NVIDIA's in a folder of CUDA 13, both in the data folder.
    let tree = Tree::new(&[
        &format!("{VENV}/nvidia/curand/lib/libcurand.so.10"),
        &format!("{VENV}/nvidia_curand_cu12-10.3.9.90.dist-info/METADATA"),
        "site/nvidia/cu13/lib/libcurand.so.10",
        "data/nvidia-curand-10.4.0.35/libcurand.so.10",
        "data/nvidia-curand-cu12-10.3.10.19/libcurand.so.10",
    ]);
    assert_eq!(
        path_of(&tree, &CUDA_12, CURAND).unwrap().0,
        Location::VirtualEnv
    );
    assert_eq!(
        path_of(&tree, &CUDA_13, CURAND).unwrap().0,
        Location::Python
    );

    // Another version in the data folder belongs to another build.
    let tree = Tree::new(&["data/nvidia-curand-cu12-10.3.10.19/libcurand.so.10"]);
    assert_eq!(path_of(&tree, &CUDA_13, CURAND), None);
    assert_eq!(path_of(&tree, &CUDA_12, CURAND).unwrap().0, Location::Data);
}

#[test]
fn a_command_that_does_not_answer_in_time_is_stopped() {
    let start = Instant::now();
    let mut slow = Command::new("sleep");
    assert_eq!(answer(slow.arg("30"), Duration::from_millis(50)), None);
    assert!(start.elapsed() < Duration::from_secs(10));
    let mut quick = Command::new("echo");
    let text = answer(quick.arg("here"), Duration::from_secs(10));
    assert_eq!(text.as_deref(), Some("here\n"));
    let mut failing = Command::new("false");
    assert_eq!(answer(&mut failing, Duration::from_secs(10)), None);
}

#[test]
fn what_is_missing_is_reported_by_file_and_package() {
    let all = Tree::new(&[]).found(&CUDA_13);
    assert_eq!(missing_packages(&all).len(), 5, "cuBLAS is one package");
    // PyTorch's wheels, without cuRAND, as they come since 2.15.
    let lib = format!("{VENV}/nvidia/cu13/lib");
    let files = [
        format!("{lib}/libcudart.so.13"),
        format!("{lib}/libcublas.so.13"),
        format!("{lib}/libcublasLt.so.13"),
        format!("{lib}/libnvrtc.so.13"),
        format!("{VENV}/nvidia/cudnn/lib/libcudnn.so.9"),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let located = Tree::new(&files).found(&CUDA_13);
    assert_eq!(
        complaint(&located).unwrap(),
        "not found: libcurand.so.10; `ziggurat setup --gpu` downloads it, or install nvidia-curand with pip"
    );
    // Each one missing alone gives its own line.
    for needed in CUDA_13.libraries {
        let one = Located {
            file: needed.file,
            package: Some(needed.package),
            found: None,
            passed_over: Vec::new(),
        };
        let line = complaint(&[one]).unwrap();
        assert!(
            line.contains(needed.file) && line.contains(needed.package.name),
            "{line}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_loaded_is_passed_over_and_named() {
    let tree = Tree::new(&[
        "venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9",
        "data/nvidia-cudnn-cu13-9.28.1.4/libcudnn.so.9",
    ]);
    let around = tree.around();
    let open = |path: &Path| {
        if path.starts_with(&around.data) {
            Ok(path.to_path_buf())
        } else {
            Err("file too short".to_string())
        }
    };
    let located = locate(CUDNN, cudnn_package(), &CUDA_13, &around, &open);
    assert_eq!(located.found.as_ref().unwrap().0, Location::Data);
    assert_eq!(located.passed_over.len(), 1);
    let nowhere = locate(CUDNN, None, &CUDA_13, &around, &|_| {
        Err("file too short".into())
    });
    let line = complaint(&[nowhere]).unwrap();
    assert!(
        line.contains("libcudnn.so.9 cannot be loaded: file too short"),
        "{line}"
    );
}

#[test]
fn the_path_of_a_library_that_the_loader_finds_is_known() {
    let around = Surroundings::default();
    let located = locate("libm.so.6", None, &CUDA_13, &around, &open);
    let (place, path) = located.found.unwrap();
    assert_eq!(place, Location::System);
    assert!(path.is_absolute() && path.is_file(), "{path:?}");
    let missing = locate("libnowhere.so.1", None, &CUDA_13, &around, &open);
    assert_eq!(missing.found, None);
}

#[test]
fn of_a_wheel_the_libraries_and_the_licence_are_kept() {
    for (entry, kept) in [
        ("nvidia/cu13/lib/libcublas.so.13", Some("libcublas.so.13")),
        (
            "nvidia/cudnn/lib/libcudnn_ops.so.9",
            Some("libcudnn_ops.so.9"),
        ),
        (
            "nvidia_cublas-13.1.0.3.dist-info/licenses/License.txt",
            Some("License.txt"),
        ),
        ("nvidia/cu13/lib/libnvrtc.alt.so.13", None),
        ("nvidia/cu13/lib/libnvblas.so.13", None),
        ("nvidia/cu13/include/cublas.h", None),
    ] {
        assert_eq!(keep(entry), kept.map(PathBuf::from), "{entry}");
    }
}

#[test]
fn the_cuda_of_a_provider_is_read_from_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, arguments: &[&std::ffi::OsStr]| {
        let path = folder.path().join(name);
        let done = Command::new("cc")
            .args(["-shared", "-nostdlib", "-x", "c", "/dev/null", "-o"])
            .arg(&path)
            .args(arguments)
            .status()
            .unwrap();
        assert!(done.success());
        path
    };
    let runtime = build("libcudart.so.13", &["-Wl,-soname,libcudart.so.13".as_ref()]);
    let provider = build(
        "libprovider.so",
        &[
            "-Wl,--no-as-needed".as_ref(),
            "-x".as_ref(),
            "none".as_ref(),
            runtime.as_os_str(),
        ],
    );
    assert_eq!(cuda_of(&provider), Some(13));
    assert_eq!(cuda_of(Path::new("/proc/self/exe")), None);
    let text = folder.path().join("text");
    fs::write(&text, "libcudart.so.13").unwrap();
    assert_eq!(cuda_of(&text), None);
}
