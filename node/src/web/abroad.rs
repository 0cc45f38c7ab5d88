//! A text for readers elsewhere: feeds, and whoever takes over what is published. Its pictures and files are named by
//! whole addresses, whether they are here already or still on their way.

use super::file::file_href;
use super::pictures::{Files, Shown};
use super::render::render_with;
use crate::blobs::shown_inline;
use crate::content::article::Article;
use crate::entry::{BlobRef, RecordId, SiteId};

/// Where a file of an article is to be had from pages known as `base`.
pub fn file_address(base: &str, site: SiteId, id: RecordId, name: &str) -> String {
    format!("{base}{}", file_href(site, id, name))
}

/// The text of an article of `site` as safe HTML, with the pictures among its files, `blobs`. Takes time that grows with
/// the text: call it where blocking is allowed.
pub fn render_abroad(base: &str, site: SiteId, article: &Article, blobs: &[BlobRef]) -> String {
    let files: Files = article
        .attachments
        .iter()
        .filter_map(|it| {
            let blob = blobs.iter().find(|blob| blob.hash == it.hash)?;
            let href = Some(file_address(base, site, article.id, &it.name));
            let picture = shown_inline(&blob.media_type, &blob.media_type);
            Some((it.name.clone(), Shown { href, picture }))
        })
        .collect();
    render_with(article.format, &article.text, files)
}
