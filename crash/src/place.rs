//! Where a run keeps its files, and a small disk of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A directory of this run; removed at the end unless it is to be looked at.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    mounted: bool,
    keep: bool,
}

impl Place {
    /// A fresh one below `parent`.
    pub fn new(parent: &Path, seed: u64) -> io::Result<Place> {
        let root = parent.join(format!("sluice-crash-{}-{seed}", std::process::id()));
        fs::create_dir_all(root.join("data"))?;
        Ok(Place { root, mounted: false, keep: false })
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The log of the process under test.
    pub fn log(&self) -> PathBuf {
        self.root.join("sluice.log")
    }

    /// Puts the data directory on a disk in memory with so many MiB. Needs root.
    pub fn mount_small_disk(&mut self, mebibytes: u64) -> io::Result<()> {
        let options = std::ffi::CString::new(format!("size={mebibytes}m,mode=0700"))?;
        mount("tmpfs", self.data(), "tmpfs", MountFlags::empty(), Some(options.as_c_str()))?;
        self.mounted = true;
        Ok(())
    }

    /// Leaves everything where it is.
    pub fn keep(&mut self) -> &Path {
        self.keep = true;
        &self.root
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if self.mounted && unmount(self.data(), UnmountFlags::DETACH).is_err() {
            eprintln!("crash: {} stays mounted", self.data().display());
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("crash: {} stays: {error}", self.root.display());
        }
    }
}
