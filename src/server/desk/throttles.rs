//! One throttle for each user who is logged in, whatever number of sessions that is and whatever protocols they speak.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::auth::Principal;
use crate::machine::throttle::Throttle;
use crate::sync::Mutex;

/// Those that sessions have.
#[derive(Debug, Default)]
pub struct Throttles(Mutex<HashMap<String, Weak<Throttle>>>);

impl Throttles {
    /// That of this principal, as fast as is granted now. Whoever comes by a link counts with its maker.
    pub fn of(&self, principal: &Principal) -> Arc<Throttle> {
        let name = principal.link().map_or_else(|| principal.name(), |link| link.maker());
        let mut known = self.0.lock();
        let throttle = match known.get(name).and_then(Weak::upgrade) {
            Some(throttle) => throttle,
            None => {
                if known.len() == known.capacity() {
                    known.retain(|_, throttle| throttle.strong_count() > 0);
                }
                let throttle = Arc::new(Throttle::default());
                known.insert(name.to_owned(), Arc::downgrade(&throttle));
                throttle
            }
        };
        let limit = principal.grants().limit_rate;
        throttle.set(limit.down, limit.up);
        throttle
    }
}
