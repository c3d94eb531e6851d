//! The writer's promises, each with the neighbours that a failure must not touch.

use futures::future::join_all;
use sqlx::{Row, SqlitePool};

use super::*;
use crate::db::{Role, Synchronous, migrate};
use crate::domain::{ActivityType, ResourceType};

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error("refused by the closure")]
    Own,
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
}

struct Fixture {
    _folder: tempfile::TempDir,
    options: DatabaseOptions,
    notify: broadcast::Sender<Activity>,
    readers: SqlitePool,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions {
        path: folder.path().join("test.db"),
        synchronous: Synchronous::Full,
        role: Role::Interactive,
    };
    migrate::migrate(&options).await.unwrap();
    let mut connection = connect::writer(&options, Create::Never).await.unwrap();
    connection
        .execute("CREATE TABLE note (word TEXT NOT NULL UNIQUE, body BLOB) STRICT")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let readers = connect::readers(&options).await.unwrap();
    Fixture {
        _folder: folder,
        options,
        notify: broadcast::channel(64).0,
        readers,
    }
}

impl Fixture {
    async fn words(&self) -> Vec<String> {
        sqlx::query("SELECT word FROM note ORDER BY word")
            .fetch_all(&self.readers)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    }
}

fn some_activity() -> Activity {
    Activity {
        seq: 1,
        id: "01j9zx3v8qj5s3r5t3n0v2k4m6".to_owned(),
        tenant_pubkey: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
            .parse()
            .unwrap(),
        created_at: 0,
        activity_type: ActivityType::CreateTenant,
        resource_type: ResourceType::Tenant,
        resource_id: String::new(),
    }
}

async fn insert(tx: &mut WriteTx, word: &str) -> Result<(), TestError> {
    sqlx::query("INSERT INTO note (word) VALUES ($1)")
        .bind(word)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Runs closures as one group: they queue up behind a first one that holds the writer until all are there.
async fn hold_writer(
    writer: &Writer,
) -> (
    oneshot::Sender<()>,
    impl Future<Output = Result<(), TestError>>,
) {
    let (release, released) = oneshot::channel::<()>();
    let (entered, holding) = oneshot::channel::<()>();
    let write = writer.write(async move |_tx: &mut WriteTx| {
        let _ = entered.send(());
        let _ = released.await;
        Ok::<_, TestError>(())
    });
    let mut write = Box::pin(write);
    tokio::select! {
        _ = &mut write => unreachable!("the writer is held"),
        entered = holding => entered.unwrap(),
    }
    (release, write)
}

#[tokio::test]
async fn an_error_a_panic_and_a_unique_violation_harm_no_neighbour() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    let (release, holder) = hold_writer(&writer).await;

    let neighbours = join_all(
        ["a", "b", "c"]
            .map(|word| writer.write(async move |tx: &mut WriteTx| insert(tx, word).await)),
    );
    let own_error = writer.write(async move |tx: &mut WriteTx| {
        insert(tx, "never").await?;
        Err::<(), _>(TestError::Own)
    });
    let violation = writer.write(async move |tx: &mut WriteTx| {
        insert(tx, "twice").await?;
        insert(tx, "twice").await
    });
    let panic = AssertUnwindSafe(writer.write(async move |tx: &mut WriteTx| {
        insert(tx, "lost").await?;
        std::panic::panic_any("on purpose");
        #[expect(unreachable_code, reason = "the closure needs a type")]
        Ok::<(), TestError>(())
    }))
    .catch_unwind();
    let last = writer.write(async move |tx: &mut WriteTx| insert(tx, "d").await);
    let (held, neighbours, own_error, violation, panic, last, _) = tokio::join!(
        holder,
        neighbours,
        own_error,
        violation,
        panic,
        last,
        async { release.send(()) }
    );

    held.unwrap();
    neighbours.into_iter().for_each(Result::unwrap);
    last.unwrap();
    assert!(matches!(own_error, Err(TestError::Own)));
    assert!(matches!(violation, Err(TestError::Sql(_))));
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "on purpose"
    );
    assert_eq!(fixture.words().await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_full_disk_answers_every_caller_with_the_error_and_publishes_nothing() {
    let fixture = fixture().await;
    let mut connection = connect::writer(&fixture.options, Create::Never)
        .await
        .unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection
        .execute(sqlx::AssertSqlSafe(format!(
            "PRAGMA max_page_count = {}",
            pages + 8
        )))
        .await
        .unwrap();
    let writer = Writer::start_with(&fixture.options, fixture.notify.clone(), connection).unwrap();
    let mut followers = fixture.notify.subscribe();
    let (release, holder) = hold_writer(&writer).await;

    let innocent = writer.write(async move |tx: &mut WriteTx| {
        tx.publish(some_activity());
        insert(tx, "innocent").await
    });
    let greedy = writer.write(async move |tx: &mut WriteTx| {
        // A closure that swallows the error must not go on writing outside the group.
        let _ = sqlx::query("INSERT INTO note (word, body) VALUES ('greedy', zeroblob(10000000))")
            .execute(&mut *tx)
            .await;
        insert(tx, "after").await
    });
    let (held, innocent, greedy, _) =
        tokio::join!(holder, innocent, greedy, async { release.send(()) });

    for lost in [held, innocent] {
        let error = lost.unwrap_err();
        assert!(
            matches!(error, TestError::Write(WriteError::GroupLost(_))),
            "{error:?}"
        );
    }
    greedy.unwrap_err();
    assert!(fixture.words().await.is_empty());
    assert!(followers.try_recv().is_err());

    // The connection was replaced: writes go on.
    writer
        .write(async move |tx: &mut WriteTx| {
            tx.publish(some_activity());
            insert(tx, "later").await
        })
        .await
        .unwrap();
    assert_eq!(fixture.words().await, ["later"]);
    followers.try_recv().unwrap();
}

#[tokio::test]
async fn an_answered_write_is_visible_to_other_connections() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    writer
        .write(async move |tx: &mut WriteTx| insert(tx, "seen").await)
        .await
        .unwrap();
    assert_eq!(fixture.words().await, ["seen"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cancel_its_write() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    let (release, holder) = hold_writer(&writer).await;

    let mut abandoned =
        Box::pin(writer.write(async move |tx: &mut WriteTx| insert(tx, "kept").await));
    assert!(futures::poll!(&mut abandoned).is_pending());
    drop(abandoned);
    let _ = release.send(());
    holder.await.unwrap();
    writer.close().await;

    assert_eq!(fixture.words().await, ["kept"]);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_refuses_what_comes_later() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    let (release, holder) = hold_writer(&writer).await;
    let queued = writer.write(async move |tx: &mut WriteTx| insert(tx, "queued").await);

    let (held, queued, (), _) =
        tokio::join!(holder, queued, writer.close(), async { release.send(()) });
    held.unwrap();
    queued.unwrap();
    let late = writer
        .write(async move |tx: &mut WriteTx| insert(tx, "late").await)
        .await;

    assert!(matches!(late, Err(TestError::Write(WriteError::Closed))));
    assert_eq!(fixture.words().await, ["queued"]);
}

#[tokio::test]
async fn a_nested_step_is_undone_alone() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    let mut followers = fixture.notify.subscribe();
    writer
        .write(async move |tx: &mut WriteTx| {
            insert(tx, "outer").await?;
            let step = tx.nest().await?;
            tx.publish(some_activity());
            insert(tx, "inner").await?;
            let refused = tx.settle(step, Err::<(), _>(TestError::Own)).await;
            assert!(matches!(refused, Err(TestError::Own)));
            let step = tx.nest().await?;
            let second = insert(tx, "second").await;
            tx.settle(step, second).await
        })
        .await
        .unwrap();
    assert_eq!(fixture.words().await, ["outer", "second"]);
    assert!(followers.try_recv().is_err());
}

#[tokio::test]
async fn transaction_control_inside_a_closure_is_refused() {
    let fixture = fixture().await;
    let writer = Writer::start(&fixture.options, fixture.notify.clone())
        .await
        .unwrap();
    let refused = writer
        .write(async move |tx: &mut WriteTx| {
            insert(tx, "undone").await?;
            sqlx::raw_sql("SELECT 1; COMMIT").execute(&mut *tx).await?;
            Ok::<(), TestError>(())
        })
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("COMMIT is not allowed")
    );
    assert!(fixture.words().await.is_empty());
}
