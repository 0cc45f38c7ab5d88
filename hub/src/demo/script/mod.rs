//! The county of the demonstration: who is in it, and what each has written. An invented county, invented
//! places, and nobody's name: persons stand there by their office.

mod live;
mod notices;
mod pieces;

use lianbo_node::scope::Scope;

pub(super) use live::LIVE;
pub(super) use notices::NOTICES;
pub(super) use pieces::PIECES;

/// A site of the demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Hub,
    School,
    Township,
    Village,
}

impl Place {
    pub(super) const ALL: [Self; 4] = [Self::Hub, Self::School, Self::Township, Self::Village];
    pub(super) const NODES: [Self; 3] = [Self::School, Self::Township, Self::Village];

    /// Code of its unit.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Hub => "qingyuan",
            Self::School => "party-school",
            Self::Township => "yantian",
            Self::Village => "longtian",
        }
    }

    /// Name of its unit.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hub => "清源县委组织部",
            Self::School => "清源县委党校",
            Self::Township => "严田镇党委",
            Self::Village => "龙田村党支部",
        }
    }

    /// Code of the unit above it in the tree.
    pub(super) const fn parent(self) -> Option<&'static str> {
        match self {
            Self::Village => Some(Self::Township.code()),
            _ => None,
        }
    }

    /// Its data folder in the demonstration's, and its name in the table of what was checked.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::School => "school",
            Self::Township => "township",
            Self::Village => "village",
        }
    }

    /// The narrowest scope it may hold; also the network it reaches the hub by.
    pub(super) const fn ceiling(self) -> Scope {
        match self {
            Self::Hub | Self::School => Scope::Internal,
            Self::Township | Self::Village => Scope::Organization,
        }
    }

    /// Its columns: short name, name, description.
    pub(super) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Hub => &[
                ("news", "新闻时事", "全县组织工作的新鲜事"),
                ("notice-board", "公告公示", "请大家知晓和监督的事项"),
                ("cadres", "干部工作", "干部教育、管理和服务"),
                ("school", "网上党校", "课程、教材和学习安排"),
                ("members", "党员风采", "身边党员的平凡事"),
                ("policy", "政策法规", "常用规定和办事问答"),
            ],
            Self::School => &[
                ("school", "网上党校", "班次、课程和备课交流"),
                ("forum", "党建论坛", "教学研究和学员心得"),
            ],
            Self::Township => &[
                ("news", "新闻时事", "镇村动态"),
                ("members", "党员风采", "一线党员的平凡事"),
                ("tv", "电教之窗", "远程教育和活动室建设"),
            ],
            Self::Village => &[
                ("members", "党员风采", "咱村的党员"),
                ("notice-board", "公告公示", "村务、党务公开"),
                ("jobs", "就业指南", "家门口的岗位和技能培训"),
            ],
        }
    }
}

/// A column: short name, name, description.
pub(super) type Column = (&'static str, &'static str, &'static str);

/// An article, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) author: Place,
    pub(super) column: &'static str,
    pub(super) scope: Scope,
    /// For this site alone.
    pub(super) to: Option<Place>,
    pub(super) title: &'static str,
    pub(super) source: &'static str,
    pub(super) keywords: &'static [&'static str],
    pub(super) text: &'static str,
    /// A picture that the text shows: its name, and its bytes.
    pub(super) picture: Option<(&'static str, &'static [u8])>,
    /// How many hours ago it says it was published.
    pub(super) hours: i64,
    /// A later title and text, in the order of revising.
    pub(super) revisions: &'static [Revision],
    /// Taken to a wider scope by the hub, on the word of these persons.
    pub(super) released: Option<(Scope, &'static [&'static str])>,
    /// Withdrawn by its author, for this reason.
    pub(super) withdrawn: Option<&'static str>,
}

impl Piece {
    /// What others start from.
    pub(super) const PLAIN: Self = Self {
        author: Place::Hub,
        column: "news",
        scope: Scope::Organization,
        to: None,
        title: "",
        source: "",
        keywords: &[],
        text: "",
        picture: None,
        hours: 1,
        revisions: &[],
        released: None,
        withdrawn: None,
    };

    /// The title of its last revision.
    pub(super) fn last_title(&self) -> &'static str {
        self.revisions.iter().rev().find_map(|it| it.title).unwrap_or(self.title)
    }
}

/// A revision of an article.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revision {
    /// `None` leaves the title as it was.
    pub(super) title: Option<&'static str>,
    pub(super) text: &'static str,
}

/// Whom a notice is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Scope(Scope),
    Units(&'static [Place]),
}

/// A notice of the hub.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) to: To,
    pub(super) title: &'static str,
    /// 发文字号, without the year and what stands before it; empty for none.
    pub(super) number: &'static str,
    pub(super) text: &'static str,
    /// In how many days it has to be signed for.
    pub(super) days: i64,
    /// Units that sign for it, and who signs.
    pub(super) signed: &'static [(Place, &'static str)],
}

/// The last piece of every site before all is checked: what stands behind it in a journal has come through.
pub(super) fn marker(author: Place) -> Piece {
    let column = author.columns()[0].0;
    let title = match author {
        Place::Hub => "联调纪要：县级中心下发正常",
        Place::School => "联调纪要：县委党校报送正常",
        Place::Township => "联调纪要：严田镇报送正常",
        Place::Village => "联调纪要：龙田村报送正常",
    };
    let text = "各网络联调已完成。此前的稿件、通知、签收和撤稿，应当都已到位。";
    Piece { author, column, title, text, hours: 0, ..Piece::PLAIN }
}
