use lambda_http::{Body, Request, Service as _};
use lambda_sessions::store::{Data, Entry, Record, Revision, Stored, Timestamp, conformance};
use lambda_sessions::{Session, SessionLayer};

use super::*;

const AT: RequestTime = RequestTime::at(Timestamp::from_epoch_seconds(1));

/// A directory that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("file-store-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.0).unwrap()
    }

    fn has_journal(&self) -> bool {
        self.0.join("journal").exists()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key(name: &str) -> StorageKey {
    serde_json::from_value(name.into()).unwrap()
}

fn item(n: u32) -> Item {
    let entry = Entry::from_json(n.to_string());
    let data: Data = [("n", entry)].into_iter().collect();
    let at = Timestamp::from_epoch_seconds;
    Item::new(Stored::Live(Record::new(data, at(1), at(9)))).unwrap()
}

async fn revision(store: &FileStore, name: &str) -> Option<Revision> {
    let item = store.get(&key(name), AT).await.unwrap();
    item.map(|item| item.revision().clone())
}

#[tokio::test]
async fn file_store_conforms() {
    let folder = Folder::new("conforms");
    conformance::run_versioned(&folder.store()).await;
    conformance::run(&folder.store()).await;
    assert!(!folder.has_journal());
}

/// A commit has five steps: the journal, three changes, and the end of the journal. The process dies
/// before each of them and after the last.
#[tokio::test]
async fn crash_leaves_a_commit_whole_or_undone() {
    for steps in 0..=5_usize {
        let folder = Folder::new(&format!("crash-{steps}"));
        let store = folder.store();
        let (before, gone) = (item(1), item(2));
        let begin = [("changed", &before), ("gone", &gone)];
        let begin = begin.map(|(name, item)| Write::new(key(name), None, Some(item.clone())));
        assert!(store.commit(begin.into(), AT).await.unwrap());

        let (after, new) = (item(3), item(4));
        let journal: Journal = vec![
            (key("changed"), Some(after.clone())),
            (key("gone"), None),
            (key("new"), Some(new.clone())),
        ];
        if steps > 0 {
            store.begin(&journal).unwrap();
        }
        for (key, item) in journal.into_iter().take(steps.saturating_sub(1)) {
            store.make(&key, item).unwrap();
        }
        if steps == 5 {
            fs::remove_file(store.journal()).unwrap();
        }
        // A draft that was not finished, and was not flushed to the disk either.
        fs::write(folder.0.join("draft"), "{\"unfini").unwrap();
        drop(store);

        let store = folder.store();
        let happened = steps > 0;
        let of = |item: &Item| Some(item.revision().clone());
        let changed = if happened { of(&after) } else { of(&before) };
        let (gone, new) = match happened {
            true => (None, of(&new)),
            false => (of(&gone), None),
        };
        assert_eq!(revision(&store, "changed").await, changed, "{steps}");
        assert_eq!(revision(&store, "gone").await, gone, "{steps}");
        assert_eq!(revision(&store, "new").await, new, "{steps}");
        assert!(!folder.has_journal());
        let next = Write::new(key("changed"), changed, Some(item(5)));
        assert!(store.commit(vec![next], AT).await.unwrap(), "it goes on");
    }
}

/// A commit that breaks off is finished by the read with which the library looks for it.
#[tokio::test]
async fn broken_off_commit_is_finished() {
    let folder = Folder::new("broken-off");
    let store = folder.store();
    // A directory at the file's path: the change cannot be made.
    let obstacle = store.path(&key("new"));
    fs::create_dir(&obstacle).unwrap();
    let new = item(1);
    let journal = vec![(key("new"), Some(new.clone()))];
    store.begin(&journal).unwrap();
    assert!(store.finish(journal).is_err());
    let error = store.get(&key("new"), AT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    fs::remove_dir(&obstacle).unwrap();
    let there = revision(&store, "new").await;
    assert_eq!(there.as_ref(), Some(new.revision()));
}

#[tokio::test]
async fn foreign_file_is_an_error_and_stays() {
    let folder = Folder::new("foreign");
    let store = folder.store();
    let path = store.path(&key("foreign"));
    fs::write(&path, "no item").unwrap();
    let read = store.get(&key("foreign"), AT).await.map(drop);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
    let write = Write::new(key("foreign"), None, Some(item(1)));
    let written = store.commit(vec![write], AT).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(fs::read_to_string(&path).unwrap(), "no item");
}

#[tokio::test]
async fn login_is_listed_and_revoked() {
    let folder = Folder::new("users");
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok::<_, lambda_http::Error>("welcome")
    };
    let layer = SessionLayer::new(folder.store());
    let mut service = layer.clone().wrap(login);
    let response = service.call(Request::new(Body::Empty)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(layer.user_sessions("ada").await.unwrap().len(), 1);
    layer.revoke_user("ada").await.unwrap();
    assert!(layer.user_sessions("ada").await.unwrap().is_empty());
}
