/// A number of which a mean can be taken.
pub trait Number: Copy {
    /// The nearest `f64`.
    fn as_f64(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Number for $number {
            fn as_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64);
