use super::builds::BUILDS;
use super::*;

fn gpu(number: u32, name: &str, capability: (u32, u32), free: Option<u64>) -> Gpu {
    Gpu {
        number,
        name: name.into(),
        capability,
        memory: free.map(|free| (free, 80 << 30)),
    }
}

fn driver(cuda: (u32, u32), release: &str, gpus: Vec<Gpu>) -> Driver {
    Driver {
        cuda,
        release: Some(release.into()),
        gpus,
    }
}

fn pinned(index: usize) -> Built {
    Built {
        major: BUILDS[index].cuda.major,
        pinned: Some(&BUILDS[index]),
        is_named: false,
    }
}

#[test]
fn an_nvidia_device_is_recognized_by_its_driver_or_its_vendor() {
    let root = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let has = || has_device_below(root.path());
    assert!(!has());
    put("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n");
    assert!(!has());
    put("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
    assert!(has());
    std::fs::remove_dir_all(root.path().join("sys")).unwrap();
    put("dev/nvidiactl", "");
    assert!(has());
    assert!(!is_container(root.path()));
    put(".dockerenv", "");
    assert!(is_container(root.path()));
}

#[test]
fn a_driver_that_does_not_answer_is_reported_with_the_remedy() {
    let missing = Trouble::NoLibrary("libcuda.so.1: cannot open shared object file".into());
    let reason = |trouble: &Trouble, is_container, visible| {
        let machine = Machine {
            has_device: true,
            is_container,
        };
        why_no_driver(trouble, machine, visible)
    };
    let without = Machine {
        has_device: false,
        is_container: true,
    };
    assert_eq!(
        why_no_driver(&missing, without, None),
        "this machine has no NVIDIA GPU; --provider webgpu may reach another one, --provider cpu always works"
    );
    assert_eq!(
        reason(&missing, false, None),
        "the NVIDIA driver's library is missing (libcuda.so.1: cannot open shared object file); install the NVIDIA driver"
    );
    assert!(reason(&missing, true, None).starts_with("this container lacks the NVIDIA driver's"));
    assert!(reason(&missing, true, None).contains("--gpus all"));
    assert_eq!(
        reason(&Trouble::Refusal(100), false, Some("7\u{1b}")),
        "CUDA_VISIBLE_DEVICES is `7\\u{1b}`, which leaves no GPU; unset it, or name a GPU that `nvidia-smi -L` lists"
    );
    for (code, word) in [
        (100, "nvidia-smi"),
        (802, "nvidia-fabricmanager"),
        (803, "restart the machine"),
        (804, "cuda-compat"),
        (999, "error 999"),
    ] {
        let line = reason(&Trouble::Refusal(code), false, None);
        assert!(line.contains(word) && !line.contains('\n'), "{line}");
    }
}

#[test]
fn a_build_that_cannot_run_here_is_reported_with_the_one_that_can() {
    let h100 = || vec![gpu(0, "NVIDIA H100", (9, 0), None)];
    let old = driver((12, 4), "550.54.15", h100());
    assert_eq!(
        refusal(&old, pinned(0), 0).unwrap(),
        "driver 550.54.15 (CUDA 12.4) is too old for CUDA 13 (it needs 580 or newer); `ziggurat setup --gpu` downloads the \
         build for CUDA 12"
    );
    assert_eq!(refusal(&old, pinned(1), 0), None);
    let ancient = driver((11, 4), "470.1", h100());
    assert!(
        refusal(&ancient, pinned(1), 0)
            .unwrap()
            .contains("is too old for CUDA 12 (it needs 525 or newer); update the driver")
    );
    let new = driver((13, 0), "580.65.06", h100());
    assert_eq!(refusal(&new, pinned(0), 0), None);
    assert_eq!(
        refusal(&new, pinned(0), 7).unwrap(),
        "there is no GPU 7: CUDA shows one, 0"
    );
    for (name, capability) in [("Tesla V100-SXM2-32GB", (7, 0)), ("NVIDIA B200", (10, 0))] {
        let machine = driver((13, 0), "580.65.06", vec![gpu(0, name, capability, None)]);
        let (major, minor) = capability;
        assert_eq!(
            refusal(&machine, pinned(0), 0).unwrap(),
            format!(
                "this build of ONNX Runtime has no code for {name} (compute capability {major}.{minor}); `ziggurat setup \
                 --gpu` downloads the build for CUDA 12"
            )
        );
        assert_eq!(refusal(&machine, pinned(1), 0), None);
    }
    // The GPUs that the user's own build supports are unknown.
    let own = Built {
        major: 13,
        pinned: None,
        is_named: true,
    };
    let machine = driver((13, 0), "580.1", vec![gpu(0, "NVIDIA B200", (10, 0), None)]);
    assert_eq!(refusal(&machine, own, 0), None);
    // As long as ORT_DYLIB_PATH names it, no downloaded build is used.
    let line = refusal(&old, own, 0).unwrap();
    assert!(
        line.ends_with(
            "unset ORT_DYLIB_PATH and run `ziggurat setup --gpu`, which downloads the build for CUDA 12"
        ),
        "{line}"
    );
    // The build suits the machine's other GPU, so that no other build is a remedy.
    let mixed = driver(
        (13, 0),
        "580.1",
        vec![
            gpu(0, "GeForce GTX 980", (5, 2), None),
            gpu(1, "NVIDIA H100", (9, 0), None),
        ],
    );
    assert_eq!(
        refusal(&mixed, pinned(0), 0).unwrap(),
        "this build of ONNX Runtime has no code for GeForce GTX 980 (compute capability 5.2); use another GPU with \
         --provider cuda:N"
    );
    assert_eq!(refusal(&mixed, pinned(0), 1), None);
}

#[test]
fn auto_tries_the_gpus_that_can_run_by_free_memory() {
    let h100 = |number, free| gpu(number, "NVIDIA H100", (9, 0), free);
    let machine = driver(
        (13, 0),
        "580.1",
        vec![
            h100(0, Some(2 << 30)),
            h100(1, Some(70 << 30)),
            h100(2, Some(70 << 30)),
            gpu(3, "NVIDIA B200", (10, 0), Some(170 << 30)),
        ],
    );
    let order = |machine: &Driver, built| -> Result<Vec<u32>, String> {
        let gpus = by_free_memory(machine, built)?;
        Ok(gpus.iter().map(|gpu| gpu.number).collect())
    };
    assert_eq!(order(&machine, pinned(0)), Ok(vec![1, 2, 0]));
    assert_eq!(order(&machine, pinned(1)), Ok(vec![3, 1, 2, 0]));
    let silent = driver((13, 0), "580.1", vec![h100(0, None), h100(1, None)]);
    assert_eq!(order(&silent, pinned(0)), Ok(vec![0, 1]));
    assert_eq!(
        order(&driver((12, 4), "550.1", vec![]), pinned(1)).unwrap_err(),
        "the NVIDIA driver shows no GPU"
    );
    let b200 = driver((13, 0), "580.1", vec![gpu(0, "NVIDIA B200", (10, 0), None)]);
    let why = order(&b200, pinned(0)).unwrap_err();
    assert!(why.contains("no code for NVIDIA B200"), "{why}");
}
