//! The one table of arrows that must never exist.

/// What the modules under `binds` (but not those under `except`) may reach. Every name is a path from a
/// crate's root and stands for itself and all beneath it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) binds: &'static [&'static str],
    pub(super) except: &'static [&'static str],
    pub(super) arrow: Arrow,
    pub(super) why: &'static str,
}

/// Which way a rule is put.
#[derive(Debug)]
pub(super) enum Arrow {
    /// Of its own crate's modules a module uses itself and these.
    Only(&'static [&'static str]),
    /// These are out of reach, whoever defines them.
    Never(&'static [&'static str]),
}

use Arrow::{Never, Only};

/// Where `std::` stands for the machine: what the pure modules are handed, or never touch.
const MACHINE: &[&str] = &[
    "axum",
    "getrandom",
    "hyper",
    "hyper_util",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "rand::fill",
    "rand::random",
    "rand::random_bool",
    "rand::random_iter",
    "rand::random_range",
    "rand::random_ratio",
    "rand::rng",
    "rand::rngs::SysRng",
    "rand::rngs::ThreadRng",
    "rand::thread_rng",
    "sqlx",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tokio_rustls",
    "tokio_stream",
    "tokio_util",
    "tonic",
];

/// The pure floor.
const FLOOR: &[&str] =
    &["lianbo_node::entry", "lianbo_node::scope", "lianbo_node::heights", "lianbo_node::identity"];

/// A path that a `#[path]` attribute is read as.
pub(super) const PATH_ATTRIBUTE: &str = "#[path]";

/// The rules. Modules named nowhere here (`config`, `lifecycle`, `cli`, `main`) wire the others together.
pub(super) const RULES: &[Rule] = &[
    Rule {
        binds: FLOOR,
        except: &[],
        arrow: Only(FLOOR),
        why: "the pure floor stands on nothing but itself",
    },
    Rule {
        binds: &[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::wire",
            "lianbo_node::sync",
        ],
        except: &[],
        arrow: Never(MACHINE),
        why: "pure code does no I/O and is handed time and randomness",
    },
    Rule {
        binds: &["lianbo_node::wire"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::content",
        ]),
        why: "the wire knows the floor and what records are",
    },
    Rule {
        binds: &["lianbo_node::sync"],
        except: &[],
        arrow: Only(FLOOR),
        why: "the protocol's state machine stands on the floor",
    },
    Rule {
        binds: &["lianbo_node::store"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::clock",
            "lianbo_node::store",
        ]),
        why: "what keeps entries does not know what they mean, move or look like",
    },
    Rule {
        binds: &["lianbo_node::blobs"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::clock",
            "lianbo_node::store",
            "lianbo_node::journal",
            "lianbo_node::blobs",
        ]),
        why: "what keeps files does not know which entries name them, how they move or look",
    },
    Rule {
        binds: &["lianbo_node::journal"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::store",
            // A page of the journal is read through a filter; of the protocol the journal knows no more.
            "lianbo_node::sync::filter",
        ]),
        why: "the journal lists entries and does not know what they mean, move or look like",
    },
    Rule {
        binds: &["lianbo_node::content"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::store",
            "lianbo_node::journal",
            "lianbo_node::blobs",
            "lianbo_node::wire",
        ]),
        why: "meaning does not depend on how entries arrive, move or are shown, nor on a clock",
    },
    Rule {
        binds: &["lianbo_node::ingest"],
        except: &[],
        arrow: Only(&[
            "lianbo_node::entry",
            "lianbo_node::scope",
            "lianbo_node::heights",
            "lianbo_node::identity",
            "lianbo_node::clock",
            "lianbo_node::cores",
            "lianbo_node::store",
            "lianbo_node::journal",
            "lianbo_node::blobs",
            "lianbo_node::wire",
            "lianbo_node::content",
        ]),
        why: "the one door does not know who knocks",
    },
    Rule {
        binds: &["lianbo_node::web", "lianbo_hub::web"],
        except: &[],
        arrow: Never(&["lianbo_node::link", "lianbo_node::sync", "lianbo_hub::rpc"]),
        why: "pages and links know nothing of each other",
    },
    Rule {
        binds: &["lianbo_node::link", "lianbo_node::bundle", "lianbo_hub::rpc"],
        except: &[],
        arrow: Never(&["lianbo_node::web", "lianbo_hub::web"]),
        why: "links and pages know nothing of each other",
    },
    Rule {
        binds: &["lianbo_node", "lianbo_hub"],
        // The bench speaks the protocol as a node does, as fast as it can.
        except: &["lianbo_node::wire", "lianbo_node::link", "lianbo_hub::rpc", "lianbo_hub::bench"],
        arrow: Never(&["lianbo_proto"]),
        why: "generated types stay in wire, link, rpc and the bench's client",
    },
    Rule {
        binds: &["lianbo_node", "lianbo_hub"],
        except: &["lianbo_node::store"],
        arrow: Never(&["sqlx"]),
        why: "only the store opens connections",
    },
    Rule {
        binds: &["lianbo_node", "lianbo_hub"],
        except: &["lianbo_node::config", "lianbo_hub::config", "lianbo_node::store::testing"],
        arrow: Never(&[
            "std::env::remove_var",
            "std::env::set_var",
            "std::env::var",
            "std::env::var_os",
            "std::env::vars",
            "std::env::vars_os",
        ]),
        why: "only config reads the environment",
    },
    Rule {
        binds: &["lianbo_hub::sources"],
        // What is remembered of polls, in plain tables.
        except: &["lianbo_hub::sources::state"],
        arrow: Never(&["lianbo_node::store", "lianbo_node::journal", "lianbo_hub::store"]),
        why: "feed items are signed and enter by ingest",
    },
    Rule {
        binds: &["lianbo_hub::outlets"],
        except: &[],
        arrow: Never(&["lianbo_hub::rpc", "lianbo_node::link", "lianbo_node::ingest"]),
        why: "what is told strangers is read from the views, whoever carries it to them",
    },
    Rule {
        binds: &["lianbo_hub::sources::state"],
        except: &[],
        arrow: Never(&[
            "lianbo_node::ingest",
            "lianbo_node::journal",
            "lianbo_node::content::Record",
        ]),
        why: "what is remembered of sources is local state and never an entry",
    },
    Rule {
        binds: &[
            "lianbo_hub::sources::source",
            "lianbo_hub::sources::schedule",
            "lianbo_hub::sources::decode",
            "lianbo_hub::sources::repair",
            "lianbo_hub::sources::dates",
            "lianbo_hub::sources::text",
            "lianbo_hub::sources::feed",
            "lianbo_hub::sources::candidate",
            "lianbo_hub::sources::decide",
        ],
        except: &[],
        arrow: Never(MACHINE),
        why: "what feeds say and when they are due is decided without I/O, clock or chance",
    },
    Rule {
        binds: &["lianbo_hub"],
        except: &["lianbo_hub::bench", "lianbo_hub::cli", "lianbo_hub::demo"],
        arrow: Never(&["lianbo_hub::bench", "lianbo_hub::local"]),
        why: "a serving hub knows nothing of being shown or measured",
    },
    Rule {
        binds: &["lianbo_node"],
        except: &[],
        arrow: Never(&["lianbo_hub"]),
        why: "the node does not know the hub",
    },
    Rule {
        binds: &["lianbo_proto"],
        except: &[],
        arrow: Never(&["lianbo_node", "lianbo_hub"]),
        why: "the wire format knows no program",
    },
    Rule {
        binds: &["lianbo_proto", "lianbo_node", "lianbo_hub"],
        except: &[],
        arrow: Never(&[PATH_ATTRIBUTE]),
        why: "a file's place tells its module, or this check is blind to it",
    },
];
