/// The name of a type without the modules that it is in: a program may move its types about and still go on with its state.
pub(crate) fn type_name<T: ?Sized>() -> String {
    without_modules(std::any::type_name::<T>())
}

/// The same of a name that is known.
pub(crate) fn without_modules(name: &str) -> String {
    let mut short = String::new();
    let mut word = 0;
    for c in name.chars() {
        if c == ':' {
            short.truncate(word);
            continue;
        }
        short.push(c);
        if !c.is_alphanumeric() && c != '_' {
            word = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_left_out_wherever_they_stand() {
        assert_eq!(type_name::<u64>(), "u64");
        assert_eq!(type_name::<std::collections::BTreeMap<String, Vec<u8>>>(), "BTreeMap<String, Vec<u8>>");
        assert_eq!(type_name::<(crate::Text, [Option<i32>; 2])>(), "(Text, [Option<i32>; 2])");
        assert_eq!(without_modules("a::b_1::C<&'static d::e>"), "C<&'static e>");
    }
}
