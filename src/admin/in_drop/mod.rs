//! What waits in `drop/` and no run has adopted yet, for the commands that show what is there. They only look: the run
//! alone adopts, and what a user may do with a file of his own he may still do.

pub mod count;
pub mod list;
pub mod meant;
pub mod named;
pub mod row;
