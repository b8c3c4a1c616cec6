//! Parts of a text that need no search of our own: what `str` finds, made a `Text`.

use std::slice::SliceIndex;

use super::{Delimiter, Lines, Split, SplitAsciiWhitespace, SplitN, SplitWhitespace, Text};

/// Cutting. The parts share the chunk of a long text; nothing is allocated.
impl Text {
    /// The part in a range of bytes, or `None` when it is outside or cuts a character, as [`str::get`].
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// let text = Text::from("smörgås");
    /// assert_eq!(text.get(2..4), Some(Text::from("ö")));
    /// assert_eq!(text.get(3..), None);
    /// ```
    pub fn get(&self, range: impl SliceIndex<str, Output = str>) -> Option<Text> {
        Some(self.subtext(self.as_str().get(range)?))
    }

    /// Without white space at both ends, as [`str::trim`].
    pub fn trim(&self) -> Text {
        self.subtext(self.as_str().trim())
    }

    /// Without white space at the start, as [`str::trim_start`].
    pub fn trim_start(&self) -> Text {
        self.subtext(self.as_str().trim_start())
    }

    /// Without white space at the end, as [`str::trim_end`].
    pub fn trim_end(&self) -> Text {
        self.subtext(self.as_str().trim_end())
    }

    /// Without a character at both ends, as [`str::trim_matches`].
    pub fn trim_matches(&self, character: char) -> Text {
        self.subtext(self.as_str().trim_matches(character))
    }

    /// What follows `prefix`, if the text starts with it.
    pub fn strip_prefix(&self, prefix: &str) -> Option<Text> {
        Some(self.subtext(self.as_str().strip_prefix(prefix)?))
    }

    /// What precedes `suffix`, if the text ends with it.
    pub fn strip_suffix(&self, suffix: &str) -> Option<Text> {
        Some(self.subtext(self.as_str().strip_suffix(suffix)?))
    }

    /// The words between Unicode white space, as [`str::split_whitespace`].
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// let lines = vec![Text::from("call me"), Text::from("Ishmael")];
    /// let words: Vec<Text> = lines.into_iter().flat_map(|line| line.split_whitespace()).collect();
    /// assert_eq!(words, ["call", "me", "Ishmael"]);
    /// ```
    #[inline]
    pub fn split_whitespace(&self) -> SplitWhitespace {
        SplitWhitespace::new(self.share())
    }

    /// The words between ASCII white space, which here is what Java's and Perl's `\s` is: space, tab, line feed,
    /// vertical tab, form feed, carriage return. [`str::split_ascii_whitespace`] does not split at a vertical tab.
    #[inline]
    pub fn split_ascii_whitespace(&self) -> SplitAsciiWhitespace {
        SplitAsciiWhitespace::new(self.share())
    }

    /// The columns of a line as `awk` counts them: [`split_ascii_whitespace`](Self::split_ascii_whitespace).
    #[inline]
    pub fn fields(&self) -> SplitAsciiWhitespace {
        self.split_ascii_whitespace()
    }

    /// The column with index `n`, the first being 0.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// let line = Text::from("10.0.0.7  GET /index.html");
    /// assert_eq!(line.field(1), Some(Text::from("GET")));
    /// assert_eq!(line.field(3), None);
    /// ```
    #[inline]
    pub fn field(&self, n: usize) -> Option<Text> {
        self.fields().nth(n)
    }

    /// The pieces between delimiters, as [`str::split`] with a character or a string.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// let line = Text::from("2026-11-21,42,,ok");
    /// assert_eq!(line.split(',').collect::<Vec<_>>(), ["2026-11-21", "42", "", "ok"]);
    /// assert_eq!(line.split("-11-").count(), 2);
    /// ```
    #[inline]
    pub fn split(&self, delimiter: impl Into<Delimiter>) -> Split {
        Split::new(self.share(), delimiter.into())
    }

    /// At most `n` pieces, the last with all that is left, as [`str::splitn`].
    #[inline]
    pub fn splitn(&self, n: usize, delimiter: impl Into<Delimiter>) -> SplitN {
        SplitN::new(self.split(delimiter), n)
    }

    /// What stands before and behind the first delimiter, as [`str::split_once`].
    pub fn split_once(&self, delimiter: impl Into<Delimiter>) -> Option<(Text, Text)> {
        self.split(delimiter).once()
    }

    /// The piece with index `n` of [`split`](Self::split), the first being 0.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// assert_eq!(Text::from("a,b,c").nth(',', 2), Some(Text::from("c")));
    /// ```
    #[inline]
    pub fn nth(&self, delimiter: impl Into<Delimiter>, n: usize) -> Option<Text> {
        self.split(delimiter).nth(n)
    }

    /// The lines, which end in `\n` or `\r\n`, as [`str::lines`].
    #[inline]
    pub fn lines(&self) -> Lines {
        Lines::new(self.split('\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{texts_of, whole};
    use super::*;

    #[test]
    fn parts_are_those_of_str_wherever_the_text_is_stored() {
        let long = format!("\u{3000} {} \u{2003}\n", "déjà vu ".repeat(10));
        for value in ["", "  ", "é", " a b\t", "xxabcxx", "  exactly 15 b ", "  sixteen bytes ", &long] {
            for text in texts_of(value) {
                assert_eq!(text.trim(), value.trim());
                assert_eq!(text.trim_start(), value.trim_start());
                assert_eq!(text.trim_end(), value.trim_end());
                assert_eq!(text.trim_matches('x'), value.trim_matches('x'));
                assert_eq!(text.strip_prefix("xx").as_deref(), value.strip_prefix("xx"));
                assert_eq!(text.strip_suffix("\n").as_deref(), value.strip_suffix("\n"));
            }
        }
    }

    #[test]
    fn every_range_is_that_of_str() {
        for value in
            ["", "smörgåsbord", "fifteen bytes é", "sixteen bytes éé", "a few more than sixteen bytes €"]
        {
            for text in texts_of(value) {
                for start in 0..=value.len() + 1 {
                    assert_eq!(text.get(start..).as_deref(), value.get(start..));
                    for end in 0..=value.len() + 1 {
                        assert_eq!(
                            text.get(start..end).as_deref(),
                            value.get(start..end),
                            "{value} {start}..{end}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn parts_of_texts_too_long_for_a_slice() {
        const LIMIT: usize = 1 << 24;
        let text = whole(&"0123456789abcdef".repeat(LIMIT / 16 + 1));
        for range in [0..text.len(), 0..LIMIT - 1, 0..LIMIT, 3..LIMIT + 3, LIMIT..LIMIT + 16] {
            let part = text.get(range.clone()).unwrap();
            assert_eq!(part, text.as_str()[range]);
            assert_eq!(part.get(5..10).unwrap(), part.as_str()[5..10]);
        }
    }

    #[test]
    #[should_panic(expected = "the part is not of this text")]
    fn a_part_of_another_text_is_refused() {
        Text::from("a text that is longer than fifteen bytes").subtext("another");
    }
}
