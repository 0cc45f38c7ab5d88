//! The style sheet and the icon, under names that change with their contents.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::error::PageError;
use crate::entry::Hash;

const STYLE: &str = include_str!("../../assets/style.css");
const ICON: &str = include_str!("../../assets/icon.svg");

/// Name of the style sheet in addresses.
pub(super) static STYLE_NAME: LazyLock<String> = LazyLock::new(|| name("style", STYLE, "css"));
/// Name of the icon in addresses.
pub(super) static ICON_NAME: LazyLock<String> = LazyLock::new(|| name("icon", ICON, "svg"));

fn name(stem: &str, text: &str, extension: &str) -> String {
    let hash = Hash::of(text.as_bytes()).to_string();
    format!("{stem}-{}.{extension}", &hash[..16])
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, PageError> {
    let (media_type, text) = match name {
        name if name == *STYLE_NAME => ("text/css; charset=utf-8", STYLE),
        name if name == *ICON_NAME => ("image/svg+xml", ICON),
        _ => return Err(PageError::NotFound),
    };
    let headers =
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, text).into_response())
}
