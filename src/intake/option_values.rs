//! Values of options that several ways in have.

use crate::model::envelope::verp_fault;
use crate::sys::output;

/// A job is called something that can stand in a line.
pub fn job_name(text: &str) -> Result<String, String> {
    match output::is_harmless(text) {
        true => Ok(text.to_owned()),
        false => Err("it has a control character: a name is one line of text".to_owned()),
    }
}

/// A pattern of senders that tells the recipients apart.
pub fn verp_pattern(text: &str) -> Result<String, String> {
    verp_fault(text).map_or_else(|| Ok(text.to_owned()), |why| Err(why.to_owned()))
}
