//! Where a run keeps its files, and a small disk of its own.

use std::fs::{self, File};
use std::io::{self, Write};
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
        fs::create_dir_all(root.join("disk"))?;
        Ok(Place { root, mounted: false, keep: false })
    }

    /// What may be a disk of its own.
    fn disk(&self) -> PathBuf {
        self.root.join("disk")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// The log of the process under test.
    pub fn log(&self) -> PathBuf {
        self.root.join("sluice.log")
    }

    /// Puts the data directory on a disk in memory with so many MiB. Needs root.
    pub fn mount_small_disk(&mut self, mebibytes: u64) -> io::Result<()> {
        let options = std::ffi::CString::new(format!("size={mebibytes}m,mode=0700"))?;
        mount("tmpfs", self.disk(), "tmpfs", MountFlags::empty(), Some(options.as_c_str()))?;
        self.mounted = true;
        Ok(())
    }

    /// Takes all free space, as a neighbour on the same disk may.
    pub fn fill_up(&self) -> io::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        for piece in [1 << 20, 4096] {
            let zeros = vec![0; piece];
            loop {
                match ballast.write_all(&zeros) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub fn free_up(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    /// The data directory's files and their sizes, for the evidence.
    pub fn list(&self) -> String {
        let entries = fs::read_dir(self.data()).into_iter().flatten().flatten();
        let mut files: Vec<String> = entries
            .map(|entry| {
                let size = entry.metadata().map_or(0, |metadata| metadata.len());
                format!("{} {size}", entry.file_name().display())
            })
            .collect();
        files.sort();
        files.join(", ")
    }

    fn ballast(&self) -> PathBuf {
        self.disk().join("ballast")
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
        if self.mounted && unmount(self.disk(), UnmountFlags::DETACH).is_err() {
            eprintln!("crash: {} stays mounted", self.disk().display());
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("crash: {} stays: {error}", self.root.display());
        }
    }
}
