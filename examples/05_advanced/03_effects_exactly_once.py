"""Jobs run at least once. An effect happens once when it is stored together with the job's id."""

import sqlite3
import tempfile

from queuack import DuckQueue, TaskContext


def pay(bank: str, amount: int, crash_on: int, context: TaskContext) -> str:
    with sqlite3.connect(bank) as db:  # one transaction: the effect and its receipt
        first = db.execute("INSERT OR IGNORE INTO receipts VALUES (?)", (context.job_id,)).rowcount
        if first:
            db.execute("UPDATE account SET balance = balance - ?", (amount,))
    if context.attempt <= crash_on:
        raise ConnectionError("the effect is there, but nobody was told")
    return "paid" if first else "was paid already"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DuckQueue(":memory:", workers_num=1) as queue:
        bank = f"{folder}/bank.db"
        with sqlite3.connect(bank) as db:
            db.executescript(
                """
                CREATE TABLE account (balance INTEGER);
                INSERT INTO account VALUES (100);
                CREATE TABLE receipts (job TEXT PRIMARY KEY);
                """
            )
        job = queue.enqueue(pay, args=(bank, 30, 2), retry_delay=0.05)
        print(queue.wait(job, timeout=60), "after", queue.get_job(job).attempts, "attempts")
        with sqlite3.connect(bank) as db:
            print("balance:", db.execute("SELECT balance FROM account").fetchone()[0])


if __name__ == "__main__":
    main()

# Output:
# was paid already after 3 attempts
# balance: 70
