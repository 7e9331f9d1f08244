from m3w.trainer.metrics.journal import METRICS_FILE, Journal, read_metrics


def test_a_resume_takes_back_the_lines_of_steps_that_will_be_done_again(tmp_path):
    with Journal(tmp_path, first_step=0, tensorboard=False) as journal:
        for step in (1, 2, 3):
            journal.write(step, {"loss": step / 2})
    with Journal(tmp_path, first_step=2, tensorboard=False) as journal:
        journal.write(3, {"loss": 9})
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path)] == [(1, 0.5), (2, 1.0), (3, 9)]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path):
    (tmp_path / METRICS_FILE).write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]


def test_what_is_no_number_is_null(tmp_path):
    with Journal(tmp_path, first_step=0, tensorboard=False) as journal:
        journal.write(1, {"loss": float("nan")})
    assert read_metrics(tmp_path) == [{"step": 1, "loss": None}]


def test_tensorboard_reads_the_same_values(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Journal(tmp_path, first_step=0, tensorboard=True) as journal:
        journal.write(1, {"loss": 2.5})
        journal.write(2, {"loss": 1.5})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 2.5), (2, 1.5)]
