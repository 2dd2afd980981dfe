use quarrel_checkers::Time;
use serde::{Deserialize, Serialize};

/// Proof that a fault took hold, and that it went away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The fault with its arguments.
    pub fault: String,
    /// When the cluster had taken it.
    pub injected: Time,
    /// When it was first seen to have an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Time>,
    /// What was seen then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// When the cluster had taken it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed: Option<Time>,
    /// When everything was seen to work again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Time>,
    /// What went wrong with the fault itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}
