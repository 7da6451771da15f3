"""The hook that PyInstaller runs: the files and imports that PyInstaller does not see itself."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("namepool", includes=["sources/themes/*.toml"])

hiddenimports = ["namepool.attribution.logging"]  # a logging configuration has it in a string
