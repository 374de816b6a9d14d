//! The tasks of the state machine, one account at a time.

use serde_json::Value;

use crate::answer::Failure;
use crate::ready::Function;
use crate::times::Times;
use crate::trigger::Task;

/// Does a task.
pub(crate) fn perform(_: &Function, task: &Task, _: Times) -> Result<Value, Failure> {
    Err(Failure::new("NotThere", &format!("this function has no tasks of a state machine: {task:?}")))
}
