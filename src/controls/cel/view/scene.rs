//! [`Scene`]: one evaluation, with what it notes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cel::ExecutionError;
use serde_json::Value;

use crate::collect::{Kind, Scope};
use crate::controls::Evidence;
use crate::inventory::{Account, Cause, Inventory, Resource, Unseen};

/// Evidence kept for one verdict; a comprehension over thousands of things must not fill the report.
const MAX_EVIDENCE: usize = 40;
/// Longest evidence value kept whole, as JSON text.
const MAX_EVIDENCE_BYTES: usize = 2048;
/// Stands in an [`ExecutionError`] for "not observed"; the message is the index of the reason.
const UNSEEN: &str = "unseen";

/// One evaluation: what it looks at, and what it noted.
#[derive(Debug)]
pub(in crate::controls::cel) struct Scene {
    pub(super) inventory: Arc<Inventory>,
    pub(super) account: String,
    notes: Mutex<Notes>,
}

#[derive(Debug)]
struct Notes {
    evidence: Vec<Evidence>,
    paths: HashSet<String>,
    unseen: Vec<Unseen>,
}

impl Scene {
    pub(in crate::controls::cel) fn new(inventory: &Arc<Inventory>, account: &str) -> Arc<Self> {
        Arc::new(Self {
            inventory: Arc::clone(inventory),
            account: account.to_owned(),
            notes: Mutex::new(Notes { evidence: Vec::new(), paths: HashSet::new(), unseen: Vec::new() }),
        })
    }

    /// What was read so far.
    pub(in crate::controls::cel) fn evidence(&self) -> Vec<Evidence> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).evidence.clone()
    }

    /// Everything observed.
    pub(in crate::controls::cel) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The account that is judged.
    pub(in crate::controls::cel) fn account_id(&self) -> &str {
        &self.account
    }

    /// The error that carries `unseen` through the evaluation.
    pub(in crate::controls::cel) fn refuse(&self, unseen: Unseen) -> ExecutionError {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.unseen.push(unseen);
        ExecutionError::function_error(UNSEEN, (notes.unseen.len() - 1).to_string())
    }

    /// The reason behind an error of [`Scene::refuse`]; `None` for any other error.
    pub(in crate::controls::cel) fn unseen(&self, error: &ExecutionError) -> Option<Unseen> {
        let ExecutionError::FunctionError { function, message } = error else {
            return None;
        };
        let index: usize = if function == UNSEEN { message.parse().ok()? } else { return None };
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).unseen.get(index).cloned()
    }

    /// Notes that `value` was read at `path`.
    pub(in crate::controls::cel) fn note(&self, path: &str, value: &Value) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.evidence.len() >= MAX_EVIDENCE || !notes.paths.insert(path.to_owned()) {
            return;
        }
        let text = value.to_string();
        let is_long = text.len() > MAX_EVIDENCE_BYTES;
        let value = if is_long { Value::String(first_bytes(&text).to_owned()) } else { value.clone() };
        notes.evidence.push(Evidence { path: path.to_owned(), value, cut: is_long });
    }

    pub(super) fn account(&self) -> Option<&Account> {
        self.inventory.account(&self.account)
    }

    pub(super) fn without_call(&self, region: &str, cause: Cause, message: String) -> Unseen {
        Unseen::without_call(&self.account, region, cause, message)
    }

    /// The resources of one type in the account, and why some of them may be missing.
    pub(super) fn listed(&self, kind: &'static Kind) -> (Vec<Arc<Resource>>, Vec<Unseen>) {
        let found = self.inventory.of_kind(&self.account, kind.name).cloned().collect();
        (found, self.inventory.holes(&self.account, kind.name, kind.scope == Scope::Global))
    }
}

fn first_bytes(text: &str) -> &str {
    let end = (0..=MAX_EVIDENCE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
