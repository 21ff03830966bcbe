//! Options that may get more fields cannot be written out by other programs: they change them one by one.

/// For each of these fields a method that gives the options back with that field set. With `const` also in constants.
macro_rules! setters {
    (@one [$($const:tt)?] $options:ident $name:ident $type:ty) => {
        impl $options {
            #[doc = concat!("The same with [`", stringify!($name), "`](field@", stringify!($options), "::", stringify!($name), ") set to this.")]
            #[must_use]
            pub $($const)? fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        }
    };
    (const $options:ident: $($name:ident: $type:ty),+ $(,)?) => {
        $(setters!(@one [const] $options $name $type);)+
    };
    ($options:ident: $($name:ident: $type:ty),+ $(,)?) => {
        $(setters!(@one [] $options $name $type);)+
    };
}

pub(crate) use setters;
