//! Does one refresh stay one where several processes want it, and some of them die?

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

const HOME: &str = "MCP_FERRY_TEST_REFRESH_HOME";
const TASK: &str = "MCP_FERRY_TEST_REFRESH_TASK";

fn child(home: &Path, task: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "auth::refresh::tests::processes::in_another_process", "--nocapture", "--test-threads=1"]);
    command.env(HOME, home).env(TASK, task).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn heard(child: &mut Child, wanted: &str) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with(wanted)), "the child says {wanted}");
}

/// Does nothing unless it was started by one of the tests below.
#[tokio::test]
async fn in_another_process() {
    let (Some(home), Ok(task)) = (std::env::var_os(HOME).map(std::path::PathBuf::from), std::env::var(TASK)) else {
        return;
    };
    let refresher = process(&home);
    let seen = refresher.account.snapshot().await.unwrap();
    // Past the harness, which holds what tests print.
    writeln!(std::io::stdout(), "ready").unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let spend = move |record: Record| {
        let (home, task) = (home.clone(), task.clone());
        async move {
            let token = record.tokens.unwrap().refresh_token.unwrap();
            if task == "hang" {
                writeln!(std::io::stdout(), "spending").unwrap();
                std::future::pending::<()>().await;
            }
            // Each token once, as a strict server has it.
            match fs::File::create_new(home.join(token.expose())) {
                Ok(_) => Ok(issued(tokens(2, Some(3600)))),
                Err(_) => Err(RefreshFailure::Dead("used twice".to_owned())),
            }
        }
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!(access_of(&renewed), "access-2");
}

#[tokio::test]
async fn processes_that_race_spend_one_token() {
    let login = Login::new(None).await;
    let home = login.home.path();
    let mut children: Vec<Child> = (0..4).map(|_| child(home, "race")).collect();
    for child in &mut children {
        heard(child, "ready");
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success(), "each has the new token, and none was refused");
    }
    assert!(home.join("refresh-1").exists());
    assert_eq!(login.refresher.account.generation().await, 2, "one refresh");
}

#[tokio::test]
async fn a_process_killed_in_mid_refresh_lets_go_and_its_token_is_tried_again() {
    let login = Login::new(None).await;
    let mut child = child(login.home.path(), "hang");
    heard(&mut child, "ready");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    heard(&mut child, "spending");
    assert!(login.refresher.account.snapshot().await.unwrap().record.refresh_started.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(access_of(&login.refresh(next).await.unwrap()), "access-2");
}
