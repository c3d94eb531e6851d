//! Every table's statements: one file a table. Reads run on any executor; writes take the write transaction only.

pub mod activity;
pub mod relay;
