//! 外供: how others take over what this hub publishes.

pub(crate) mod harvest;
