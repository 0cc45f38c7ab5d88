//! What goes wrong with a page, and the page that says so.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tracing::error;

use super::page::Frame;
use crate::store::StoreError;

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// Never existed, withdrawn, or not for this reader: nobody is told which.
    #[error("no such page")]
    NotFound,
    /// The store failed; trying again may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that should be here cannot be read.
    #[error("a file cannot be read")]
    File,
    /// A template or the cleaning of a text failed.
    #[error("the page could not be drawn")]
    Drawing,
}

impl From<askama::Error> for PageError {
    fn from(_: askama::Error) -> Self {
        Self::Drawing
    }
}

impl IntoResponse for PageError {
    /// A bare status; [`super::guard`] draws the page.
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Store(error) if error.may_pass_later() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Drawing | Self::File => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status != StatusCode::NOT_FOUND {
            error!(error = %self, "a page failed");
        }
        status.into_response()
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: &'a Frame,
    heading: &'static str,
    what: &'static str,
    next: &'static str,
}

/// The status people are told for a bare one, and its page. A malformed address is an address of nothing.
pub(super) fn draw(frame: &Frame, status: StatusCode) -> (StatusCode, String) {
    let (status, heading, what, next) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (
            status,
            "这里只能阅读",
            "本站页面只供浏览，不接受以这种方式提交的内容。",
            "请返回首页继续阅读。",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            status,
            "提交的内容太大",
            "本站页面只供浏览，不接收提交的内容。",
            "请返回首页继续阅读。",
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => (
            StatusCode::SERVICE_UNAVAILABLE,
            "现在有些忙",
            "服务器一时没有来得及答复，您的访问没有出错。",
            "请稍等片刻再刷新本页，或先返回首页。",
        ),
        status if status.is_server_error() => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "页面出了点问题",
            "这是我们这边的故障，与您的操作无关，情况已记入日志。",
            "请稍后再试；如果一直这样，请告诉本单位的系统管理员。",
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "没有找到这个页面",
            "您要看的内容不在这里：可能地址有误，也可能内容已经调整。",
            "请核对地址，或返回首页查找。",
        ),
    };
    let page = ErrorPage { frame, heading, what, next };
    // Without a page the status still tells.
    (status, page.render().unwrap_or_else(|_| heading.to_owned()))
}
