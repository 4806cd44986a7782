"""FitMe in Blender (4.2 to 5.x): a photo in, a head with skin, hair and wrinkles out.

Install: Edit > Preferences > Add-ons > (arrow) Install from Disk, choose this file, tick FitMe; in
its preferences say how `fitme` is started, if it is not on the PATH. The panel is in the sidebar of
the 3D view (N), tab FitMe. The fit runs beside Blender, which stays usable; its files stay in the
folder that the panel names. The GLB is what `fitme export --preset blender` writes; nodes are wired
by the scripts that lie beside it.
"""

import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import threading
import time

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

bl_info = {
    "name": "FitMe",
    "author": "The FitMe authors",
    "version": (1, 0, 0),
    "blender": (4, 2, 0),
    "location": "3D View > Sidebar > FitMe",
    "description": "One photo becomes a relightable head with hair and 52 shapes",
    "category": "Import-Export",
}

PRESETS = (
    ("fast", "Fast", "A good half of the time"),
    ("default", "Default", "A minute or two on two cores"),
    ("best", "Best", "Several times as long"),
)
STYLES = (
    "buzz", "crop", "fringe_crop", "short_curly", "side_part", "swept_back", "quiff",
    "short_bob", "bob",
    "fringe_bob", "long_straight", "long_wavy", "long_back", "curly", "afro", "pony_tail", "bun",
    "braids", "cornrows", "receding", "ring", "eye_sweep",
)  # fmt: skip
HAIR = (
    ("fit", "As in the photo", "Strands that look like the photo's hair"),
    ("cropped", "Painted", "The painted scalp of a cropped head"),
    ("bald", "None", "A bald head"),
    *((name, name.replace("_", " ").capitalize(), "In the photo's colour") for name in STYLES),
)
SCRIPTS = ("skin_blender.py", "wrinkles_blender.py", "hair_strands_blender.py")
POLL_S = 0.25
PATIENCE_S = 5.0  # for fitme to end after it was asked to
# What tqdm draws of a stage: "light:  40%|####      | 20/50 ...".
BAR = re.compile(r"^(?P<stage>[^:|]+):\s*(?P<percent>\d+)%\|")
ERROR = "fitme: error: "


class Failed(Exception):
    """One line for the user."""


def command(preferences):
    """The words that start fitme. Raises Failed."""
    words = shlex.split(preferences.command, posix=os.name == "posix") or ["fitme"]
    found = shutil.which(words[0])
    if found is None:
        raise Failed(
            f"{words[0]} is not found; say how fitme is started in the add-on's preferences"
        )
    return [found, *words[1:]]


def new_folder(root, name):
    """A path below `root` that is not there yet, named after a photo."""
    plain = re.sub(r"\W+", "_", name).strip("_").lower() or "head"
    number, path = 1, os.path.join(root, plain)
    while os.path.exists(path) or os.path.exists(f"{path}_blender"):
        number += 1
        path = os.path.join(root, f"{plain}_{number}")
    return path


class Process:
    """One call of fitme; `poll` never waits."""

    def __init__(self, words):
        self.stage, self.share, self.last = "starting", 0.0, ""
        group = {"start_new_session": True} if os.name == "posix" else {}
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, **group,
            )  # fmt: skip
        except OSError as error:
            raise Failed(f"{words[0]} cannot be started ({error.strerror})") from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        """Lines and bars, which end in a carriage return or, the last one, in nothing yet."""
        rest = ""
        while data := os.read(self._process.stderr.fileno(), 4096):
            *lines, rest = re.split(r"[\r\n]", rest + data.decode(errors="replace"))
            for line in filter(None, map(str.strip, [*lines, rest])):
                bar = BAR.match(line)
                if bar:
                    self.stage, self.share = bar["stage"].strip(), int(bar["percent"]) / 100
                else:
                    self.last = line

    def poll(self):
        """Whether it has ended. Raises Failed where it ended badly."""
        code = self._process.poll()
        if code is None:
            return False
        self._reader.join(timeout=1)
        if code:
            reason = self.last.removeprefix(ERROR) or f"exit code {code}"
            raise Failed(f"fitme: {reason}")
        return True

    def stop(self):
        """End it, and what it started."""
        if self._process.poll() is not None:
            return
        end = signal.SIGINT, signal.SIGKILL
        for number in end if os.name == "posix" else (None,):
            if number is None:
                self._process.kill()
            else:
                os.killpg(self._process.pid, number)
            try:
                self._process.wait(PATIENCE_S)
                return
            except subprocess.TimeoutExpired:
                continue


class Run:
    """Fit (unless `avatar` is given), export, import: one step after the other."""

    def __init__(self, words, photo, avatar, root, options):
        name = os.path.splitext(os.path.basename(photo))[0] if photo else os.path.basename(avatar)
        self.name, self.process = name, None
        try:
            os.makedirs(root, exist_ok=True)
        except OSError as error:
            raise Failed(f"{root} cannot be made ({error.strerror}); choose another") from error
        base = new_folder(root, name)
        self.folder = f"{base}_blender"
        self._calls = []
        if photo:
            avatar = base
            chosen = ["--preset", options["preset"], "--hair", options["hair"]]
            self._calls.append([*words, "fit", photo, "--out", avatar, *chosen])
        export = [*words, "export", avatar, "--out", self.folder, "--preset", "blender"]
        self._calls.append([*export, *(["--strands"] if options["strands"] else []), "--quiet"])

    def poll(self):
        """Whether all is done, the import included. Raises Failed."""
        if self.process is not None and not self.process.poll():
            return False
        self.process = None
        if self._calls:
            self.process = Process(self._calls.pop(0))
            return False
        import_head(self.folder, self.name)
        return True

    def text(self):
        """Where it is."""
        return "" if self.process is None else self.process.stage

    def share(self):
        return 0.0 if self.process is None else self.process.share

    def stop(self):
        if self.process is not None:
            self.process.stop()


def import_head(folder, name):
    """Import what an export for Blender wrote, into a collection of its own, with its nodes."""
    models = sorted(file for file in os.listdir(folder) if file.endswith(".glb"))
    if not models:
        raise Failed(f"{folder} holds no .glb; export it again with --preset blender")
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=os.path.join(folder, models[0]))
    for item in bpy.data.objects:  # the scripts take the head that is selected
        item.select_set(item not in before)
    for script in SCRIPTS:
        path = os.path.join(folder, script)
        if os.path.exists(path):
            runpy.run_path(path, run_name="__main__")
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    for item in set(bpy.data.objects) - before:
        for home in list(item.users_collection):
            home.objects.unlink(item)
        collection.objects.link(item)


class FitmePreferences(bpy.types.AddonPreferences):
    bl_idname = __name__

    command: StringProperty(
        name="Start fitme by",
        description="The program, or words such as: uv run --project /path/to/fitme fitme",
        default="fitme",
    )

    def draw(self, context):
        self.layout.prop(self, "command")


def running_changed(self, context):
    for area in context.screen.areas if context.screen else ():
        area.tag_redraw()


class FitmeSettings(bpy.types.PropertyGroup):
    photo: StringProperty(name="Photo", subtype="FILE_PATH", description="A face, large and sharp")
    avatar: StringProperty(
        name="Avatar", subtype="DIR_PATH", description="What fitme fit or fitme studio wrote"
    )
    preset: EnumProperty(name="Preset", items=PRESETS, default="default")
    hair: EnumProperty(name="Hair", items=HAIR, default="fit")
    strands: BoolProperty(name="Hair as curves", description="Strands instead of cards")
    root: StringProperty(
        name="Keep in", subtype="DIR_PATH", default="~/fitme_heads",
        description="Gets a directory per head",
    )  # fmt: skip
    running: BoolProperty(default=False, update=running_changed)
    cancel: BoolProperty(default=False)
    share: FloatProperty(default=0.0, min=0.0, max=1.0, subtype="FACTOR")
    text: StringProperty()


def start(context, photo, avatar):
    """The run that the panel asks for. Raises Failed."""
    settings = context.scene.fitme
    addon = context.preferences.addons.get(__name__)
    words = command(addon.preferences) if addon else command(NoPreferences)
    given = bpy.path.abspath(os.path.expanduser(photo or avatar))
    if not given or not os.path.exists(given):
        raise Failed(f"{given or 'nothing'} is not there; choose a photo or an avatar's directory")
    root = bpy.path.abspath(os.path.expanduser(settings.root))
    options = {name: getattr(settings, name) for name in ("preset", "hair", "strands")}
    given = os.path.normpath(given)
    return Run(words, given if photo else "", "" if photo else given, root, options)


class NoPreferences:
    """Where the file was run as a script instead of being installed."""

    command = os.environ.get("FITME_COMMAND", "fitme")


class Runner:
    """What both operators do: modal with a timer; in a Blender without windows they wait."""

    _timer = _run = None

    def begin(self, context, photo, avatar):
        settings = context.scene.fitme
        if settings.running:
            self.report({"ERROR"}, "FitMe is at work; cancel it first")
            return {"CANCELLED"}
        try:
            self._run = start(context, photo, avatar)
            settings.cancel = False
            settings.running = True
            if bpy.app.background:
                while not self._run.poll():
                    time.sleep(POLL_S)
                return self.end(context)
        except Failed as error:
            return self.end(context, str(error))
        manager = context.window_manager
        self._timer = manager.event_timer_add(POLL_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        settings = context.scene.fitme
        if settings.cancel:
            self._run.stop()
            return self.end(context, "cancelled")
        try:
            if self._run.poll():
                return self.end(context)
        except Failed as error:
            return self.end(context, str(error))
        settings.text, settings.share = self._run.text(), self._run.share()
        running_changed(settings, context)
        return {"PASS_THROUGH"}

    def end(self, context, error=""):
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        context.scene.fitme.running = False
        context.scene.fitme.text = error
        if error:
            self.report({"WARNING" if error == "cancelled" else "ERROR"}, error)
            return {"CANCELLED"}
        self.report({"INFO"}, f"{self._run.name} is there, files in {self._run.folder}")
        return {"FINISHED"}

    def cancel(self, context):
        """Blender closes the file or itself."""
        self._run.stop()


class FITME_OT_make(Runner, bpy.types.Operator):
    bl_idname, bl_label = "fitme.make", "Make the head"
    bl_description = "Fit the photo and import the head"

    def execute(self, context):
        return self.begin(context, context.scene.fitme.photo, "")


class FITME_OT_import(Runner, bpy.types.Operator):
    bl_idname, bl_label = "fitme.import_avatar", "Import the avatar"
    bl_description = "Export a directory that fitme fit wrote for Blender, and import it"

    def execute(self, context):
        return self.begin(context, "", context.scene.fitme.avatar)


class FITME_OT_cancel(bpy.types.Operator):
    bl_idname, bl_label = "fitme.cancel", "Cancel"
    bl_description = "End the fit; nothing of it is kept"

    def execute(self, context):
        context.scene.fitme.cancel = True
        return {"FINISHED"}


class FITME_PT_panel(bpy.types.Panel):
    bl_label, bl_category = "FitMe", "FitMe"
    bl_space_type, bl_region_type = "VIEW_3D", "UI"

    def draw(self, context):
        layout, settings = self.layout, context.scene.fitme
        layout.use_property_split = True
        column = layout.column()
        column.enabled = not settings.running
        for name in ("photo", "preset", "hair", "strands", "root"):
            column.prop(settings, name)
        if settings.running:
            layout.progress(factor=settings.share, text=settings.text)
            layout.operator("fitme.cancel", icon="CANCEL")
            return
        layout.operator("fitme.make", icon="USER")
        layout.separator()
        layout.prop(settings, "avatar")
        layout.operator("fitme.import_avatar", icon="IMPORT")
        if settings.text:
            layout.label(text=settings.text, icon="ERROR")


CLASSES = (
    FitmePreferences, FitmeSettings, FITME_OT_make, FITME_OT_import, FITME_OT_cancel,
    FITME_PT_panel,
)  # fmt: skip


def register():
    for item in CLASSES:
        bpy.utils.register_class(item)
    bpy.types.Scene.fitme = bpy.props.PointerProperty(type=FitmeSettings)


def unregister():
    del bpy.types.Scene.fitme
    for item in reversed(CLASSES):
        bpy.utils.unregister_class(item)


if __name__ == "__main__":
    register()
