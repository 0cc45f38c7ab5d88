//! A data folder for a new site: taken whole or left as it was found.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::advise;
use crate::config;
use crate::lifecycle::KEY_FILE;
use crate::link::tls::write_file;

/// The default database's file.
const DATABASE: &str = "lianbo.db";
/// Everything that makes a folder a site's. `-wal` and `-shm` are SQLite's.
const FILES: [&str; 11] = [
    config::FILE,
    KEY_FILE,
    "ca.crt",
    "ca.key",
    "tls.crt",
    "tls.key",
    "tls.next",
    "harvest.cursor",
    DATABASE,
    "lianbo.db-wal",
    "lianbo.db-shm",
];

/// A folder that holds no site yet. Dropped without [`Fresh::keep`], it is left as it was found.
#[derive(Debug)]
pub struct Fresh {
    folder: PathBuf,
    further: Vec<PathBuf>,
    made: bool,
    kept: bool,
}

impl Fresh {
    /// Takes a folder for a new site, making it (0700) if need be. Refuses one that holds a site already.
    pub fn claim(folder: &Path) -> anyhow::Result<Self> {
        if let Some(file) = FILES.iter().find(|file| folder.join(file).exists()) {
            return Err(advise(
                format!("{} holds a site already: there is {file} in it", folder.display()),
                "give another folder with --data DIR",
            )
            .into());
        }
        let made = !folder.exists();
        if made {
            make(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        // Asked before anything is spent on it.
        tempfile::tempfile_in(folder)
            .with_context(|| format!("cannot write into the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), further: Vec::new(), made, kept: false })
    }

    /// Makes an empty file (0600) for a SQLite database, which keeps its mode whatever the folder's is: what
    /// is internal is nobody else's on this machine. `address` is as in
    /// [`Store::open`](crate::store::Store::open).
    pub fn database(&mut self, address: &str) -> anyhow::Result<()> {
        let Some(path) = address.strip_prefix("sqlite:").map(PathBuf::from) else { return Ok(()) };
        if path.exists() {
            return Ok(());
        }
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot make the database {}", path.display()))?;
        self.further.push(path);
        Ok(())
    }

    /// Writes a file (0600) wherever it may be; it goes too if the folder is not kept.
    pub fn write(&mut self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        write_file(path, content, 0o600)
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.further.push(path.to_owned());
        Ok(())
    }

    /// The site is complete.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in &self.further {
            drop(fs::remove_file(path));
        }
        for file in FILES {
            // What is not there need not go.
            drop(fs::remove_file(self.folder.join(file)));
        }
        if self.made {
            // Fails, as it should, where somebody has put something of his own into it.
            drop(fs::remove_dir(&self.folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_left_as_it_was_found_unless_it_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("site");
        let fresh = Fresh::claim(&folder).unwrap();
        fs::write(folder.join(KEY_FILE), "key").unwrap();
        drop(fresh);
        assert!(!folder.exists());

        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        let fresh = Fresh::claim(&folder).unwrap();
        fs::write(folder.join(DATABASE), "").unwrap();
        drop(fresh);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

        let fresh = Fresh::claim(&folder).unwrap();
        fs::write(folder.join(KEY_FILE), "key").unwrap();
        fresh.keep();
        let refused = Fresh::claim(&folder).unwrap_err().to_string();
        assert!(refused.contains(KEY_FILE), "{refused}");
        assert!(folder.join(KEY_FILE).exists());
    }
}
