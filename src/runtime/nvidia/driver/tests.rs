use super::*;
use std::path::Path;
use std::process::Command;

/// Both libraries of a driver, with two GPUs of which the second has more free memory, as C.
const STUB: &str = r#"
#include <string.h>
#ifndef CUDA
#define CUDA 13000
#endif
#ifndef INIT
#define INIT 0
#endif
int cuDriverGetVersion(int *v) { *v = CUDA; return 0; }
int cuInit(unsigned f) { return INIT; }
int cuDeviceGetCount(int *n) { *n = 2; return 0; }
int cuDeviceGet(int *d, int n) { *d = 10 + n; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, d == 10 ? "Tesla V100\033[2J" : "NVIDIA H100", n); return 0; }
int cuDeviceGetUuid_v2(unsigned char *u, int d) { memset(u, d, 16); return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? (d == 10 ? 7 : 9) : 0; return a == 75 || a == 76 ? 0 : 1; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { strncpy(s, "580.65.06", n); return 0; }
int nvmlDeviceGetHandleByUUID(const char *u, void **d) {
    if (!strcmp(u, "GPU-0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a")) { *d = (void *) 1; return 0; }
    if (!strcmp(u, "MIG-0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b")) { *d = (void *) 2; return 0; }
    return 6;
}
int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) {
    m[0] = 80ull << 30; m[1] = (d == (void *) 1 ? 2ull : 70ull) << 30; m[2] = m[0] - m[1]; return 0;
}
"#;

fn stub(folder: &Path, name: &str, defines: &[&str]) -> String {
    let (source, library) = (folder.join("stub.c"), folder.join(name));
    std::fs::write(&source, STUB).unwrap();
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .args(defines)
        .arg(&source)
        .status()
        .unwrap();
    assert!(done.success());
    library.to_str().unwrap().to_string()
}

#[test]
fn the_driver_reports_its_version_and_every_gpu_with_its_free_memory() {
    let folder = tempfile::tempdir().unwrap();
    let library = stub(folder.path(), "libdriver.so", &[]);
    let names = Names {
        cuda: &library,
        management: &library,
    };
    let driver = ask(&names).unwrap();
    assert_eq!(
        (driver.cuda, driver.release.as_deref()),
        ((13, 0), Some("580.65.06"))
    );
    let [first, second] = driver.gpus.as_slice() else {
        panic!("{driver:?}")
    };
    assert_eq!((first.number, first.capability), (0, (7, 0)));
    assert!(!first.name.contains('\u{1b}'), "{:?}", first.name);
    assert_eq!(first.memory, Some((2 << 30, 80 << 30)));
    assert_eq!(second.name, "NVIDIA H100");
    assert_eq!(
        (second.capability, second.memory),
        ((9, 0), Some((70 << 30, 80 << 30)))
    );

    let alone = ask(&Names {
        cuda: &library,
        management: "libnowhere.so.1",
    });
    let alone = alone.unwrap();
    assert_eq!(alone.release, None);
    assert!(alone.gpus.iter().all(|gpu| gpu.memory.is_none()));
}

#[test]
fn a_driver_that_is_missing_or_refuses_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let library = stub(folder.path(), "librefusing.so", &["-DINIT=803"]);
    let of = |cuda: &str| {
        ask(&Names {
            cuda,
            management: "libnowhere.so.1",
        })
    };
    assert_eq!(of(&library), Err(Trouble::Refusal(803)));
    let Err(Trouble::NoLibrary(loader)) = of("libnowhere.so.1") else {
        panic!("it found a library that is nowhere")
    };
    assert!(loader.contains("libnowhere.so.1"), "{loader}");
    let Err(Trouble::NoLibrary(loader)) = of("libm.so.6") else {
        panic!("it found CUDA in a library of mathematics")
    };
    assert!(loader.contains("cuDriverGetVersion"), "{loader}");
}
