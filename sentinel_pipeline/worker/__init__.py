"""What a worker process and the one that starts it share: jobs as files, progress, failures,
signals, the device, ranks, models.

Nothing here trains or generates: ``run_job`` is the process that does a job, with the trainers of
``training`` and the engines of ``generation``.
"""
