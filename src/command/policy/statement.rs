//! One statement of a policy, and the document of several in IAM's JSON.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde_json::{Value, json};

/// A statement that allows actions on resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) id: &'static str,
    pub(super) actions: Vec<&'static str>,
    pub(super) resources: Vec<String>,
    pub(super) condition: Option<Condition>,
}

/// The condition of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: &'static str,
    pub(super) key: &'static str,
    pub(super) values: Vec<String>,
}

impl Statement {
    pub(super) fn new(id: &'static str, actions: &[&'static str], resources: Vec<String>) -> Self {
        Self {
            id,
            actions: actions.to_vec(),
            resources,
            condition: None,
        }
    }

    pub(super) fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    fn to_json(&self) -> Value {
        let mut statement = json!({
            "Sid": self.id,
            "Effect": "Allow",
            "Action": self.actions,
            "Resource": self.resources,
        });
        if let Some(condition) = &self.condition {
            statement["Condition"] = json!({condition.operator: {condition.key: condition.values}});
        }
        statement
    }
}

pub(super) fn document(statements: &[Statement]) -> Value {
    let statements: Vec<Value> = statements.iter().map(Statement::to_json).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}
