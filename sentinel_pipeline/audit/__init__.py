"""The examination of everything that judges: scorers, rewards and suites sit exams before they may
filter, gate or reward.

``exam`` marks, ``scorers`` and ``rewards`` ask the questions, ``canaries`` and ``reward_cases``
hold the known answers, ``licence`` records who passed. Language models that judge are licensed in
``llm_judge``. Nothing here scores an answer: ``critic`` does.
"""
