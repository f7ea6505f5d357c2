//! Between the types that a guest's WIT made and those of [`crate::asked`]: the same names on both sides, so a case that only one of them has
//! breaks the build.

/// The conversions, for the interface at this path. It has all of `asked` but [`Listing`](crate::asked::Listing), which it calls `table`.
#[macro_export]
macro_rules! wit {
    ($($interface:ident)::+) => {
        const _: () = {
            use $crate::asked;
            use $crate::failure;
            use $($interface)::+ as wit;

            $crate::same_cases!(failure::Fault => wit::Fault: NotAWorkbook, Encrypted, NoSuchWorksheet, NoSuchColumn, NoTable, WrongKind, TooLarge);
            $crate::same_cases!(wit::Comparison => asked::Comparison: Equals, Differs, OneOf, Contains, Above, AtLeast, Below, AtMost, Within);
            $crate::same_cases!(wit::Grain => asked::Grain: Value, Day, Month, Quarter, Year);
            $crate::same_cases!(wit::Operation => asked::Operation: Sum, Count, Average, Median, Smallest, Largest, Share);
            $crate::same_cases!(wit::Direction => asked::Direction: LargestFirst, SmallestFirst);
            $crate::same_cases!(wit::TotalsRow => asked::TotalsRow: Below);

            $crate::same_fields!(failure::Failure => wit::Failure: fault, file, detail);
            $crate::same_fields!(asked::Listing => wit::Table: columns, rows, total, notes);
            $crate::same_fields!(wit::Condition => asked::Condition: column, comparison, literal);
            $crate::same_fields!(wit::Key => asked::Key: column, grain);
            $crate::same_fields!(wit::Measure => asked::Measure: operation, column);
            $crate::same_fields!(wit::Order => asked::Order: column, direction);
        };
    };
}

/// A conversion case by case.
#[doc(hidden)]
#[macro_export]
macro_rules! same_cases {
    ($from:ty => $to:ty: $($case:ident),+) => {
        impl From<$from> for $to {
            fn from(one: $from) -> Self {
                match one {
                    $(<$from>::$case => Self::$case,)+
                }
            }
        }
    };
}

/// A conversion field by field.
#[doc(hidden)]
#[macro_export]
macro_rules! same_fields {
    ($from:ty => $to:ty: $($field:ident),+) => {
        impl From<$from> for $to {
            fn from(one: $from) -> Self {
                Self { $($field: one.$field.into(),)+ }
            }
        }
    };
}
