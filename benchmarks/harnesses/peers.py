"""Two other harnesses, each in a virtual environment of its own, never a dependency of ours."""

from pathlib import Path

import msgspec

from benchmarks.peer import Peer

HERE = Path(__file__).parent


INSPECT = Peer("inspect-ai", "0.3.285", ("inspect-ai==0.3.285", "inspect-evals==0.26.0", "openai==3.57.0"))
LM_EVAL = Peer("lm-eval", "0.4.13", ("lm_eval[api]==0.4.13",))


class Asked(msgspec.Struct, frozen=True):
    """A server that speaks OpenAI's chat, as a harness's users name it; all else is the harness's default."""

    url: str
    model: str
    at_once: int

    def by_inspect(self, task: Path, logs: Path) -> list[str]:
        """Runs in the task's folder: it takes no absolute paths."""
        named = ["--model", f"openai-api/perpend/{self.model}", "--model-base-url", self.url]
        beside = ["--max-connections", str(self.at_once), "--max-samples", str(self.at_once)]
        kept = ["--log-dir", str(logs), "--display", "none"]
        return [INSPECT.program("inspect"), "eval", task.name, *named, *beside, *kept]

    def by_lm_eval(self, task: Path, logs: Path) -> list[str]:
        settings = f"model={self.model},base_url={self.url}/chat/completions,num_concurrent={self.at_once}"
        named = ["--model", "local-chat-completions", "--model_args", settings, "--apply_chat_template"]
        asked = ["--tasks", task.stem, "--include_path", str(task.parent)]
        return [
            LM_EVAL.program("lm_eval"),
            "run",
            *named,
            *asked,
            "--log_samples",
            "--output_path",
            str(logs),
        ]


ENVIRONMENT = {"PERPEND_API_KEY": "none", "HF_HUB_OFFLINE": "1"}
"""inspect-ai wants a key even where the server wants none; no problem comes from a hub."""


def lm_eval_task(place: Path, task: str, files: dict[str, str]) -> Path:
    """One of its own tasks on local files: a YAML file at `place` that changes where the problems come from."""
    theirs = next(LM_EVAL.folder.glob(f"lib/*/site-packages/lm_eval/tasks/{task}"))
    head = f"include: {theirs}\ntask: {place.stem}\ndataset_path: json\ndataset_name: null\n"
    data = "".join(f"    {split}: {file}\n" for split, file in files.items())
    place.write_text(f"{head}dataset_kwargs:\n  data_files:\n{data}")
    return place
