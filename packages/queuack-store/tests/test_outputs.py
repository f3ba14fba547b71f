"""The folders in which jobs leave files go when their jobs are purged, whatever dies on the way."""

import os
import uuid

import pytest
from queuack_store import DuckQueue, ids
from queuack_store.outputs import Outputs, output_folder
from queuack_store.testing.tasks import echo, finish


def fill(path, job_id):
    folder = output_folder(path, job_id)
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "rows.jsonl").write_text("{}\n")
    return folder


@pytest.mark.parametrize("owner", ["process", "inline"])
def test_a_purge_removes_the_folders_of_its_jobs_and_of_no_others(tmp_path, owner):
    path = tmp_path / "q.db"
    with DuckQueue(path, owner=owner) as queue:
        gone, bare, kept = (queue.enqueue(echo, queue=name) for name in ("a", "a", "b"))
        folders = [fill(path, job_id) for job_id in (gone, kept)]
        for name in ("a", "a", "b"):
            finish(queue, queue=name)
        assert queue.purge("a", older_than_hours=0) == 2
    # close() has waited: the owner had nothing else to do, and deletes before it leaves.
    assert sorted(os.listdir(f"{path}.outputs")) == [kept]
    assert (folders[1] / "parts" / "rows.jsonl").read_text() == "{}\n"
    assert bare != gone
    with DuckQueue(path, owner=owner) as queue:
        assert queue.purge(older_than_hours=0) == 1
    assert not os.path.exists(f"{path}.outputs")


def test_a_symlink_to_the_file_leads_to_the_same_folders(tmp_path):
    path, link = tmp_path / "q.db", tmp_path / "link.db"
    link.symlink_to(path)
    assert output_folder(link, "x") == output_folder(path, "x")


def test_what_a_killed_owner_left_is_deleted_by_the_next(tmp_path):
    left = tmp_path / "q.db.outputs" / f".purged-{uuid.uuid4()}"
    (left / "deep").mkdir(parents=True)
    DuckQueue(tmp_path / "q.db", owner="inline").close()
    assert not left.parent.exists()


def test_removing_twice_and_what_is_a_link_does_no_harm(tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_text("kept")
    job = ids.new_id()
    fill(tmp_path / "q.db", ids.to_text(job))
    linked = ids.new_id()
    output_folder(tmp_path / "q.db", ids.to_text(linked)).symlink_to(outside)
    outputs = Outputs(tmp_path / "q.db")
    for _ in range(2):
        outputs.remove([job, linked])
        outputs.close()
    assert not output_folder(tmp_path / "q.db", ids.to_text(job)).exists()
    assert (outside / "file").read_text() == "kept"
