//! 栏目: the columns of a site.

use crate::content::site::check_code;
use crate::content::{BadText, check_line};

/// A column as its site describes it; the latest description counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Short name in addresses.
    pub slug: String,
    /// Name shown.
    pub name: String,
    /// One sentence on what it holds.
    pub description: String,
    /// Order among the site's columns, smaller first.
    pub rank: i32,
    /// Keeps its articles and takes no new ones.
    pub closed: bool,
}

impl Column {
    /// Checks every field.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.slug)?;
        check_line(&self.name, 60, true, "a column's name has 1 to 60 characters")?;
        check_line(
            &self.description,
            500,
            false,
            "a column's description has at most 500 characters",
        )
    }
}
