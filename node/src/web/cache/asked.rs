//! What a request says about the answer it would take (RFC 9110, 12.5.3 and 13.1.2).

use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

/// Whether it takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut any, mut gzip) = (None, None);
    for item in items(headers, &ACCEPT_ENCODING) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let wanted = wanted(weight);
        match coding.trim() {
            "*" => any = Some(wanted),
            coding if ["gzip", "x-gzip"].iter().any(|it| coding.eq_ignore_ascii_case(it)) => {
                gzip = Some(wanted);
            }
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

/// Whether a weight is above zero. What makes no sense is: an answer in plain form suits everybody.
fn wanted(weight: &str) -> bool {
    let weight = weight.trim();
    if weight.is_empty() {
        return true;
    }
    let number = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="));
    number.and_then(|it| it.trim().parse::<f32>().ok()).is_some_and(|it| it > 0.0)
}

/// Whether it holds what bears this tag already. Weak comparison, as for every GET.
pub(super) fn holds(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, &IF_NONE_MATCH).any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
}

/// The items of a header that is a list.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|it| (name.clone(), HeaderValue::from_static(it)));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        for (values, taken) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["br, GZIP;q=0.5"], true),
            (&["identity", "x-gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000, *"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=nonsense"], false),
            (&["gzipped, br"], false),
            (&[",;,=,;q=1"], false),
        ] {
            assert_eq!(takes_gzip(&with(&ACCEPT_ENCODING, values)), taken, "{values:?}");
        }
    }

    #[test]
    fn a_tag_matches_itself_however_it_is_listed() {
        let tag = "\"abc\"";
        for (values, held) in [
            (&[][..], false),
            (&["\"abc\""], true),
            (&["W/\"abc\""], true),
            (&["\"x\", \"abc\""], true),
            (&["\"x\"", "\"abc\""], true),
            (&["*"], true),
            (&["abc"], false),
            (&["\"abc-gz\""], false),
        ] {
            assert_eq!(holds(&with(&IF_NONE_MATCH, values), tag), held, "{values:?}");
        }
    }
}
