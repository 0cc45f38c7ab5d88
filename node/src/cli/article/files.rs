//! Files that come with an article: those named on the command line, and the pictures its text shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::blobs::{self, BlobError};
use crate::cli::{Desk, advise, usage};
use crate::content::article::{Attachment, TextFormat, check_file_name};
use crate::entry::{BlobRef, Hash, MAX_BLOBS};
use crate::web::pictures;

/// A text and the file it was read from; none for stdin.
pub(super) struct Text<'t> {
    pub(super) format: TextFormat,
    pub(super) written: &'t str,
    pub(super) file: Option<&'t Path>,
}

/// Files by the names they will have.
pub(super) type Gathered = BTreeMap<String, PathBuf>;

/// The files of `attach`, and the pictures beside the text that it shows. `have`: names the article has already.
pub(super) fn gather(
    attach: &[PathBuf],
    text: Option<&Text<'_>>,
    have: &BTreeSet<String>,
) -> anyhow::Result<Gathered> {
    let mut gathered = Gathered::new();
    for path in attach {
        let name = path.file_name().and_then(|it| it.to_str());
        let name = name.ok_or_else(|| {
            usage(format!("{} has no name that is text", path.display()), "rename it")
        })?;
        check_file_name(name)
            .map_err(|error| usage(format!("{}: {error}", path.display()), "rename the file"))?;
        if gathered.insert(name.to_owned(), path.clone()).is_some() {
            let next = "files of one article have different names: rename one";
            return Err(usage(format!("two files are called {name}"), next).into());
        }
    }
    for name in text.map(|it| pictures(it.format, it.written)).unwrap_or_default() {
        if gathered.contains_key(&name) {
            continue;
        }
        check_file_name(&name).map_err(|error| {
            let next = "put the picture beside the text and name it there without a folder";
            usage(format!("the text shows the picture {name}: {error}"), next)
        })?;
        let beside = text.and_then(|it| it.file).and_then(Path::parent).map(|it| it.join(&name));
        match beside.filter(|it| it.is_file()) {
            Some(path) => {
                gathered.insert(name, path);
            }
            None if have.contains(&name) => {}
            None => {
                let next = "put it beside the text, or give it with --attach";
                let what = format!("the text shows the picture {name}, which is not there");
                return Err(advise(what, next).into());
            }
        }
    }
    if gathered.len() > MAX_BLOBS {
        let next = "put several into one archive, or make it several articles";
        return Err(usage("an article carries at most 64 files", next).into());
    }
    Ok(gathered)
}

/// Takes the files in; they are on the disk when this returns.
pub(super) async fn take_in(
    desk: &Desk,
    gathered: &Gathered,
) -> anyhow::Result<Vec<(Attachment, BlobRef)>> {
    let mut taken = Vec::with_capacity(gathered.len());
    for (name, path) in gathered {
        let site = &desk.site;
        let blob = site.blobs.attach(&site.store, path, desk.own(), desk.now()).await;
        let blob = blob.map_err(|error| not_taken(path, error))?;
        if blob.size == 0 {
            let next = "attach the file itself, not an empty one";
            return Err(usage(format!("{} is empty", path.display()), next).into());
        }
        taken.push((Attachment { hash: blob.hash, name: name.clone() }, blob));
    }
    Ok(taken)
}

fn not_taken(path: &Path, error: BlobError) -> anyhow::Error {
    let next = match &error {
        BlobError::TooLarge { .. } | BlobError::Full { .. } | BlobError::SiteFull { .. } => {
            "make it smaller, or raise the bound in lianbo.toml"
        }
        BlobError::DiskFull { .. } => "make room on the disk of the data folder",
        BlobError::Wrong => "the file changed while it was read: run the command again",
        _ => "see that the file and the data folder can be read and written",
    };
    anyhow::Error::new(advise(error, next))
        .context(format!("{} cannot be attached", path.display()))
}

/// The entry that names these files is written.
pub(super) async fn written(desk: &Desk, taken: &[(Attachment, BlobRef)]) -> anyhow::Result<()> {
    if taken.is_empty() {
        return Ok(());
    }
    let hashes: Vec<Hash> = taken.iter().map(|(it, _)| it.hash).collect();
    let mut tx = desk.site.store.write().await?;
    blobs::unpin(&mut tx, &hashes, desk.own()).await?;
    Ok(tx.commit().await?)
}

/// Blobs for a head: each hash once.
pub(super) fn distinct(blobs: impl IntoIterator<Item = BlobRef>) -> Vec<BlobRef> {
    let by_hash: BTreeMap<Hash, BlobRef> = blobs.into_iter().map(|it| (it.hash, it)).collect();
    by_hash.into_values().collect()
}

/// A length as people say it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes.div_ceil(1_048_576)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'t>(text: &'t str, file: Option<&'t Path>) -> Text<'t> {
        Text { format: TextFormat::Markdown, written: text, file }
    }

    #[test]
    fn pictures_beside_a_text_come_by_themselves_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("piece.md");
        std::fs::write(folder.path().join("银杏.jpg"), b"x").unwrap();
        let body = "![](银杏.jpg) ![](https://example.cn/a.png) [下载](方案.pdf)";
        let none = BTreeSet::new();
        let gathered = gather(&[], Some(&text(body, Some(&file))), &none).unwrap();
        assert_eq!(gathered.keys().collect::<Vec<_>>(), ["银杏.jpg"]);

        let told = |body: &str, file: Option<&Path>| {
            format!("{:?}", gather(&[], Some(&text(body, file)), &none).unwrap_err())
        };
        assert!(told("![](红叶.jpg)", Some(&file)).contains("红叶.jpg"));
        assert!(told("![](pics/a.jpg)", Some(&file)).contains("pics/a.jpg"));
        assert!(told("![](银杏.jpg)", None).contains("银杏.jpg"), "stdin has nothing beside it");
        let have = BTreeSet::from(["红叶.jpg".to_owned()]);
        assert!(gather(&[], Some(&text("![](红叶.jpg)", Some(&file))), &have).unwrap().is_empty());
    }

    #[test]
    fn two_files_of_one_name_and_odd_names_are_refused() {
        let none = BTreeSet::new();
        let of = |paths: &[&str]| {
            gather(&paths.iter().map(PathBuf::from).collect::<Vec<_>>(), None, &none)
        };
        assert_eq!(of(&["a/one.pdf", "b/two.pdf"]).unwrap().len(), 2);
        assert!(of(&["a/one.pdf", "b/one.pdf"]).is_err());
        assert!(of(&["a/.."]).is_err() && of(&["a/x?.pdf"]).is_err());
    }
}
