use std::collections::BTreeMap;

use serde::Deserialize;

/// Differences from the suite's verdict that are meant, by trial, each with its reason: `explained.toml`.
#[derive(Clone, Debug, Default)]
pub struct Explained(BTreeMap<String, String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// `file: name`; a `*` at the end stands for any rest.
    test: String,
    reason: String,
}

impl Explained {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// If it is not one.
    pub fn read(text: &str) -> anyhow::Result<Explained> {
        let file: File = toml::from_str(text)?;
        Ok(Explained(file.row.into_iter().map(|row| (row.test, row.reason)).collect()))
    }

    /// Why this trial differs.
    #[must_use]
    pub fn reason(&self, key: &str) -> Option<&str> {
        let exact = self.0.get(key);
        let found = exact.or_else(|| {
            let matches = |test: &str| test.strip_suffix('*').is_some_and(|start| key.starts_with(start));
            self.0.iter().find(|(test, _)| matches(test)).map(|(_, reason)| reason)
        });
        found.map(String::as_str)
    }

    /// Every test a row is about.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
