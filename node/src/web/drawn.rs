//! Texts that were drawn lately. A page is drawn anew after every change anywhere on the site; its text is the same for years.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use moka::sync::Cache;

use super::error::PageError;
use super::pictures::Files;
use super::render::render_with;
use crate::content::article::TextFormat;
use crate::entry::Hash;

/// What they may take in memory, in bytes.
const ROOM: u64 = 8 << 20;
/// What nobody asks for is not kept longer.
const IDLE: Duration = Duration::from_mins(10);

/// What one is drawn from: the text, its format, and the files it may show.
type From = (Hash, String);

/// The same is drawn from the same, whoever may read it: all listeners share them.
static DRAWN: LazyLock<Cache<From, Arc<str>>> = LazyLock::new(|| {
    let weigher = |(_, with): &From, html: &Arc<str>| {
        u32::try_from(with.len() + html.len() + 200).unwrap_or(u32::MAX)
    };
    Cache::builder().weigher(weigher).max_capacity(ROOM).time_to_idle(IDLE).build()
});

/// A text as safe HTML, drawn where a long one holds nobody up.
pub(super) async fn draw_text(
    format: TextFormat,
    text: String,
    files: Files,
) -> Result<Arc<str>, PageError> {
    let drawn = tokio::task::spawn_blocking(move || {
        let from = (Hash::of(text.as_bytes()), format!("{format:?} {files:?}"));
        DRAWN.get_with(from, || render_with(format, &text, files).into())
    });
    drawn.await.map_err(|_| PageError::Drawing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pictures::Shown;

    #[tokio::test]
    async fn a_text_is_drawn_once_for_all_and_anew_when_its_picture_came() {
        let text = "drawn once ![村口](a.png)";
        let draw = async |href: Option<&str>| {
            let shown = Shown { href: href.map(str::to_owned), picture: true };
            let files = Files::from([("a.png".to_owned(), shown)]);
            draw_text(TextFormat::Markdown, text.to_owned(), files).await.unwrap()
        };
        let (first, again, came) = (draw(None).await, draw(None).await, draw(Some("/a")).await);
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!first.contains("<img") && came.contains("<img"), "{first} {came}");
        let html = draw_text(TextFormat::Html, text.to_owned(), Files::new()).await.unwrap();
        assert!(html.contains("!["), "{html}");
    }
}
