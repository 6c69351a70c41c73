//! STUB until the branch lists is merged.
use crate::model::EntryId;
use std::fs::File;
use std::io::Read;
pub fn is_request(name: &str) -> bool {
    name.split_once('.').is_some_and(|(_, unique)| unique.starts_with("remove-"))
}
pub fn read(file: &File) -> Result<Vec<EntryId>, String> {
    let mut text = String::new();
    file.take(100_000).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let v: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    v["remove"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|id| id.as_str().unwrap_or("").parse::<EntryId>().map_err(|e| e.to_string()))
        .collect()
}
