include: "workflow/Snakefile"


workflow.default_target = "final_model"  # Snakemake ignores the default target of an included file
