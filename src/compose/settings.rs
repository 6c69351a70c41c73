//! `merge.toml`: what the columns of a merge mean.

use serde::Deserialize;

use super::error::{Place, TemplateError};
use super::sources::SETTINGS;

/// What the columns mean. A template without the file has the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The column with the recipient's address: "email".
    pub address: String,
    /// Columns that are neither NULL nor empty in any row.
    pub required: Vec<String>,
    /// The column with the language, as `de` or `de-AT`.
    pub language: Option<String>,
    /// The column with the moment from which on a row is sent.
    pub send_time: Option<String>,
    /// The column with the name of the file that a row attaches; NULL or empty: none.
    pub attachment: Option<String>,
    /// The folder that these files are in, an absolute path.
    pub attachment_folder: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: "email".to_owned(),
            required: Vec::new(),
            language: None,
            send_time: None,
            attachment: None,
            attachment_folder: None,
        }
    }
}

impl Settings {
    /// Reads the text of `merge.toml`.
    ///
    /// Errors: it is no TOML, has an unknown key, or the attachment's column and folder are not both there.
    pub fn parse(text: &str) -> Result<Settings, TemplateError> {
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let what = error.message().lines().next().unwrap_or_default().to_owned();
            TemplateError::new(Place { file: SETTINGS.to_owned(), line, column }, what)
        })?;
        let of_file = |what: &str| Err(TemplateError::of_file(SETTINGS, what));
        match (&settings.attachment, &settings.attachment_folder) {
            (Some(_), None) => of_file("'attachment' names a column: set 'attachment_folder', too"),
            (None, Some(_)) => of_file("'attachment_folder' is set: name the column in 'attachment'"),
            (Some(_), Some(folder)) if !folder.starts_with('/') => {
                of_file("'attachment_folder' is no absolute path: begin it with /")
            }
            (Some(_), Some(_)) | (None, None) => Ok(settings),
        }
    }

    /// The columns that it names, with what each is for.
    pub fn columns(&self) -> Vec<(&str, &'static str)> {
        let mut found = vec![(self.address.as_str(), "address")];
        found.extend(self.required.iter().map(|name| (name.as_str(), "required")));
        let others = [(&self.language, "language"), (&self.send_time, "send_time"), (&self.attachment, "attachment")];
        found.extend(others.into_iter().filter_map(|(name, key)| Some((name.as_deref()?, key))));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_unknown_ones_refused() {
        let settings = Settings::parse("address = 'mail'\nrequired = ['name']\nlanguage = 'lang'\n").expect("settings");
        assert_eq!(settings.columns(), [("mail", "address"), ("name", "required"), ("lang", "language")]);
        assert_eq!(Settings::parse("").expect("settings"), Settings::default());
        let error = Settings::parse("address = 'a'\nsource = 'x'\n").expect_err("unknown").to_string();
        assert!(error.starts_with("merge.toml:2:1: ") && error.contains("source"), "{error}");
        for bad in ["attachment = 'a'", "attachment_folder = '/x'", "attachment = 'a'\nattachment_folder = 'x'", "= 1"]
        {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
    }
}
