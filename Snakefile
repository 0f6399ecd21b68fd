include: "workflow/Snakefile"


workflow.default_target = "final_model"  # an included file hands its target on to nobody
