//! Values that are one of some names.

/// A type whose values have names in the file.
pub(super) trait NamedValue: Copy + 'static {
    const VALUES: &'static [Self];
    /// Of a text that is no name, before the list of the names.
    const REFUSED: &'static str = "is not possible:";
    /// Before the last of them.
    const OR: &'static str = " or ";

    /// As the file spells it.
    fn word(self) -> &'static str;

    /// Whether `text` in the file means it.
    fn is_called(self, text: &str) -> bool {
        self.word() == text
    }
}

/// A field that holds one of them, or none.
pub(super) trait OneOfNames {
    /// All names.
    fn words(&self) -> Vec<&'static str>;

    fn word(&self) -> Option<&'static str>;

    /// Sets it to the one that `text` names.
    ///
    /// Errors: none has this name; the words that follow the text, with all names.
    fn choose(&mut self, text: &str) -> Result<(), String>;
}

impl<N: NamedValue> OneOfNames for N {
    fn words(&self) -> Vec<&'static str> {
        N::VALUES.iter().map(|value| NamedValue::word(*value)).collect()
    }

    fn word(&self) -> Option<&'static str> {
        Some(NamedValue::word(*self))
    }

    fn choose(&mut self, text: &str) -> Result<(), String> {
        *self = find(text)?;
        Ok(())
    }
}

impl<N: NamedValue> OneOfNames for Option<N> {
    fn words(&self) -> Vec<&'static str> {
        N::VALUES.iter().map(|value| NamedValue::word(*value)).collect()
    }

    fn word(&self) -> Option<&'static str> {
        self.map(NamedValue::word)
    }

    fn choose(&mut self, text: &str) -> Result<(), String> {
        *self = Some(find(text)?);
        Ok(())
    }
}

fn find<N: NamedValue>(text: &str) -> Result<N, String> {
    let found = N::VALUES.iter().copied().find(|value| value.is_called(text));
    found.ok_or_else(|| format!("{} {}", N::REFUSED, names::<N>()))
}

/// All names, in quotation marks.
pub(super) fn names<N: NamedValue>() -> String {
    let mut words: Vec<String> = N::VALUES.iter().map(|value| format!("{:?}", NamedValue::word(*value))).collect();
    let last = words.pop().unwrap_or_default();
    format!("{}{}{last}", words.join(", "), N::OR)
}
