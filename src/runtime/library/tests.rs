use super::cpu::CPU_VERSION;
use super::*;
use crate::runtime::testing;
use std::fs;

#[test]
fn the_library_is_loaded_once_and_remembers_where_it_is_from() {
    let library = testing::library();
    assert!(library.found().path.is_file());
    assert!(
        library.found().version.starts_with("1."),
        "{:?}",
        library.found()
    );
    let again = Library::load(
        &Home::at(Path::new("/nowhere")),
        &crate::runtime::package::quiet,
    );
    assert!(std::ptr::eq(library, again.unwrap()));
}

#[test]
fn a_search_finds_what_was_fetched_and_takes_its_version_from_the_file_name() {
    let fetched = fetch(&testing::home(), &crate::runtime::package::quiet).unwrap();
    let folder = fetched.path.parent().unwrap().to_path_buf();
    assert_eq!(fetched.version, CPU_VERSION);
    let names = ["LICENSE", "ThirdPartyNotices.txt"];
    assert!(names.iter().all(|name| folder.join(name).is_file()));

    let elsewhere = tempfile::tempdir().unwrap();
    let system = search(
        &Home::at(elsewhere.path()),
        &Environments::default(),
        &[folder],
    );
    let found = system.found.unwrap();
    assert_eq!(
        (found.version.as_str(), found.origin),
        (CPU_VERSION, LibraryOrigin::System)
    );
}

#[test]
fn the_programs_own_environment_is_searched_before_the_active_ones() {
    let folder = tempfile::tempdir().unwrap();
    let environment = |name: &str| {
        let prefix = folder.path().join(name);
        fs::create_dir_all(prefix.join("lib/python3.12/site-packages")).unwrap();
        Some(prefix)
    };
    let environments = Environments {
        own: environment("own"),
        virtual_env: environment("active"),
        conda: environment("conda"),
        ..Environments::default()
    };
    let package = "lib/python3.12/site-packages/onnxruntime/capi";
    assert_eq!(
        environment_folders(&environments),
        [
            (LibraryOrigin::Own, "own", package),
            (LibraryOrigin::VirtualEnv, "active", package),
            (LibraryOrigin::Conda, "conda", package),
            (LibraryOrigin::Conda, "conda", "lib"),
        ]
        .map(|(origin, name, inside)| (origin, folder.path().join(name).join(inside)))
    );
}

#[test]
fn a_build_in_an_environment_is_preferred_to_the_downloaded_one_for_the_cpu() {
    let home = testing::home();
    let fetched = fetch(&home, &crate::runtime::package::quiet).unwrap();
    let prefix = tempfile::tempdir().unwrap();
    let package = prefix
        .path()
        .join("lib/python3.12/site-packages/onnxruntime/capi");
    fs::create_dir_all(&package).unwrap();
    let copy = package.join(fetched.path.file_name().unwrap());
    fs::copy(&fetched.path, &copy).unwrap();
    let environments = Environments {
        virtual_env: Some(prefix.path().into()),
        ..Environments::default()
    };
    let found = search(&home, &environments, &[]).found.unwrap();
    assert_eq!(
        (found.path, found.origin),
        (fs::canonicalize(copy).unwrap(), LibraryOrigin::VirtualEnv)
    );
}

#[test]
fn what_cannot_be_used_is_passed_over_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so.1.2");
    fs::write(&file, "no library").unwrap();
    fs::write(folder.path().join("libonnxruntime_providers_shared.so"), "").unwrap();
    let search = search(
        &Home::at(folder.path()),
        &Environments::default(),
        &[folder.path().to_path_buf()],
    );
    assert_eq!(search.found, None);
    let [(path, reason)] = search.skipped.as_slice() else {
        panic!("{search:?}")
    };
    assert!(path.ends_with("libonnxruntime.so.1.2"), "{path:?}");
    assert_eq!(reason, "it is no shared library (no ELF file)");
}

#[test]
fn a_library_named_by_the_user_must_be_usable() {
    let error = named(Path::new("/nowhere/libonnxruntime.so")).unwrap_err();
    let reported = error.to_string();
    assert!(
        reported.starts_with("/nowhere/libonnxruntime.so cannot be used as ONNX Runtime: "),
        "{reported}"
    );
    assert!(reported.contains("No such file or directory"), "{reported}");
    assert!(
        reported.ends_with("let Ziggurat find or download one"),
        "{reported}"
    );
}

#[test]
fn of_a_wheel_the_libraries_and_the_licences_are_kept_side_by_side() {
    for (entry, kept) in [
        (
            "onnxruntime/capi/libonnxruntime.so.1.32.0",
            Some("libonnxruntime.so.1.32.0"),
        ),
        (
            "onnxruntime/capi/libonnxruntime_providers_cuda.so",
            Some("libonnxruntime_providers_cuda.so"),
        ),
        ("onnxruntime/LICENSE", Some("LICENSE")),
        ("onnxruntime/capi/onnxruntime_pybind11_state.so", None),
        ("onnxruntime/capi/training/LICENSE", None),
    ] {
        assert_eq!(keep(entry), kept.map(PathBuf::from), "{entry}");
    }
}

#[test]
fn a_failed_search_and_a_failed_download_are_one_line() {
    let skipped = [(
        PathBuf::from("/usr/lib/libonnxruntime.so"),
        "it is version 1.19, and 1.24 or newer is needed".to_string(),
    )];
    let fetch = Error::NoPip {
        package: "onnxruntime==1.32.0".into(),
        tried: "pip".into(),
    };
    let reported = no_library(&skipped, fetch).to_string();
    assert_eq!(
        reported,
        "ONNX Runtime was not found (/usr/lib/libonnxruntime.so: it is version 1.19, and 1.24 or newer is needed) and \
         onnxruntime==1.32.0 cannot be downloaded: no pip was found (tried pip); install Python 3 with pip and try again"
    );
}
