"""export_basic: restores the checkpoint, and writes the network for others to load."""

import json

from lambda_fast import assembly
from lambda_fast.callback import Run
from lambda_fast.callback.restoring import Restoring
from lambda_fast.config import Config
from lambda_fast.export_folder import export_folder, replaced
from lambda_fast.inputter.image_files import eval_geometry
from lambda_fast.serving import Serving


class ExportBasic(Restoring):
    """Results: `folder`."""

    def after_run(self, run: Run) -> None:
        """Writes a SavedModel, `class_names.txt` and `export.json`; `model.onnx` if asked.

        Raises:
            ConfigError: something else is there.
        """
        names = run.inputter.class_names
        path, found = run.source
        serving = Serving(
            model=run.modeler.model,
            spec=run.modeler.spec,
            geometry=eval_geometry(run.config),
            image_shape=tuple(run.inputter.image_shape),
            class_names=names,
            views=run.config.modeler.test_time_augmentation,
        )
        told = {
            "recipe": run.config.name,
            "network": run.config.modeler.network,
            "checkpoint": str(path),
            "step": found.step,
            "averaged": run.modeler.averaged,
            "test_time_augmentation": run.config.modeler.test_time_augmentation,
            "image_shape": run.inputter.image_shape,
            "class_names": names,
        }
        folder = export_folder(run.config)
        with replaced(folder, run.config.callback.export_force) as beside:
            serving.save(beside)
            if run.config.callback.export_onnx:
                serving.save_onnx(beside / "model.onnx")
            (beside / "class_names.txt").write_text("".join(f"{name}\n" for name in names))
            (beside / "export.json").write_text(f"{json.dumps(told, indent=2)}\n")
        run.results["folder"] = folder
        run.say(f"step {found.step} exported to {folder}")


@assembly.part
def build(config: Config) -> ExportBasic:
    """The callback."""
    return ExportBasic()
